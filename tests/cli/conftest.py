"""The command line as a user has it: arguments in; exit code, standard output and standard error out."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from terminal import Otto, Ran, ScriptedEngine, TableRouter

from otto import registry
from otto.cli import main
from otto.config import Settings
from otto.paths import room
from otto.registry import Registry


@pytest.fixture(autouse=True, scope="session")
def examples_read_once() -> Iterator[None]:
    """Each command is a process of its own for a user; here they share the bundled examples, which take longest to read."""
    read = lru_cache(registry.read_example_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "read_example_file", lambda path: read(path) if path.parent == room("examples") else read.__wrapped__(path))
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything of Otto's is under this folder, and the user stands in an empty one."""
    for name in list(os.environ):
        if name.startswith("OTTO_") or name in ("OPENAI_API_KEY", "NO_COLOR"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("OTTO_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return home


@pytest.fixture
def otto(home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Otto:
    """Run a command in this process: `otto("say", "hello")`."""

    def run(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capfd.readouterr()
        code = main(arguments)
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The router is a table of phrases."""

    def open_router(name: str, registry: Registry, settings: Settings) -> TableRouter:
        return TableRouter(registry)

    monkeypatch.setattr("otto.router.open_router", open_router, raising=False)


@pytest.fixture
def hears(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the speech engine hear these texts."""

    def script(*texts: str | None) -> None:
        engine = ScriptedEngine(list(texts))

        def open_engine(name: str, *arguments: Any) -> ScriptedEngine:
            return engine

        monkeypatch.setattr("otto.stt.open_engine", open_engine, raising=False)

    return script
