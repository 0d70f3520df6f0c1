"""The bundled skills run as they run for a user: through the dispatcher, on a real database, under a home of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import Desk

from otto.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    registry = Registry.load(entry_points=False)
    assert registry.problems == []
    return registry


@pytest.fixture
def desk(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("OTTO_HOME", str(home))
    desk = Desk(home, registry)
    yield desk
    desk.database.close()


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP client of skills gives up after a moment."""
    monkeypatch.setattr("otto.context.HTTP_SECONDS", 0.3)


@pytest.fixture
def no_network_port() -> str:
    """An address on which nobody listens."""
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], list[str]]]:
    """Put a program of this name on an otherwise empty PATH; returns a function that lists how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, script: str = "") -> Callable[[], list[str]]:
        log = tmp_path / f"{name}.log"
        program = folder / name
        program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >> {log}; echo >> {log}\n{script}\n')
        os.chmod(program, 0o755)
        return lambda: [line.rstrip("|") for line in log.read_text().splitlines()] if log.exists() else []

    return make
