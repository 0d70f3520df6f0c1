"""What the tests of the skills stand on: one user's machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otto import Call
from otto.config import Settings, load_settings
from otto.dispatch import Dispatcher
from otto.messages import Result
from otto.registry import Registry
from otto.store import DATABASE_NAME, Database


@dataclass
class Listener:
    """A host that remembers what it was told and says yes to nothing."""

    said: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str) -> str | None:
        return None

    def confirm(self, question: str) -> bool:
        return False


class Desk:
    """One user's machine: a home, its settings and its database."""

    def __init__(self, home: Path, registry: Registry) -> None:
        self.home = home
        self.registry = registry
        self.listener = Listener()
        self.settings: Settings = load_settings(environ={"OTTO_HOME": str(home)})
        self.database = Database(self.settings.paths.data / DATABASE_NAME)

    def configure(self, text: str) -> None:
        """Write config.toml and read it again."""
        (self.home / "config.toml").write_text(text, encoding="utf-8")
        self.settings = load_settings(environ={"OTTO_HOME": str(self.home)})

    @property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self.registry, self.listener, self.database, self.settings)

    def run(self, call: str) -> Result:
        return self.dispatcher.run(Call.parse(call))

    def says(self, call: str) -> str:
        """The words of a call that must succeed."""
        result = self.run(call)
        assert result.ok, result.speech
        return result.speech

    def fails(self, call: str) -> str:
        """The sentence of a call that must fail by a skill's own decision, not by an accident in it."""
        result = self.run(call)
        assert not result.ok, result.speech
        assert "skill" not in result.speech.partition(";")[0], result.speech
        return result.speech


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of the condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen")
