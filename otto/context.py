"""What a running skill holds: the Context of otto.skill, made real, and shut at the deadline."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from otto import scheduler
from otto.call import Call
from otto.errors import NotConfirmed, SkillTimeout
from otto.skill import Scheduled
from otto.store import SkillStore, Transacts, to_json

if TYPE_CHECKING:
    import httpx

HTTP_CONNECT_SECONDS, HTTP_SECONDS = 3.0, 8.0
Answer = TypeVar("Answer")


class Host(Protocol):
    """Who the skills talk through: the command line, the microphone and speaker, or nobody."""

    def say(self, text: str) -> None:
        """Tell the user something."""

    def ask(self, question: str) -> str | None:
        """The user's answer, None where nobody can give one."""

    def confirm(self, question: str) -> bool:
        """The user's yes; False where nobody can give it."""


class SilentHost:
    """Nobody is there: nothing is said, and no question gets an answer."""

    def say(self, text: str) -> None:
        pass

    def ask(self, question: str) -> str | None:
        return None

    def confirm(self, question: str) -> bool:
        return False


def http_client() -> httpx.Client:
    """A client that gives up by itself."""
    import httpx

    timeout = httpx.Timeout(HTTP_SECONDS, connect=HTTP_CONNECT_SECONDS)
    return httpx.Client(timeout=timeout, follow_redirects=True, headers={"User-Agent": "otto-assistant"})


class Clock:
    """The time that a skill has used, without the time in which it waited for the user."""

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._end = time.monotonic() + seconds
        self._paused_at: float | None = None

    @property
    def left(self) -> float:
        """Seconds until the deadline; at most 0 after it."""
        with self._lock:
            return self._end - (self._paused_at or time.monotonic())

    @property
    def stopped(self) -> bool:
        """Whether the user ended it before its time."""
        return self._end == -math.inf

    def stop(self) -> None:
        """The deadline is now, and stays so."""
        with self._lock:
            self._end = -math.inf

    @contextmanager
    def paused(self) -> Iterator[None]:
        with self._lock:
            self._paused_at = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._end += time.monotonic() - self._paused_at
                self._paused_at = None


class SkillContext:
    """One run's Context. After `close` nothing that the skill says or writes goes anywhere."""

    def __init__(
        self,
        call: Call,
        host: Host,
        database: Transacts,
        settings: Mapping[str, Any],
        clock: Clock,
        undo_value: Any = None,
    ) -> None:
        self.call = call
        self.settings = settings
        self.cancelled = threading.Event()
        self.undo_value = undo_value
        self.left_for_undo: Any = None
        self._host = host
        self.clock = clock
        self._gate = _Gate(database, call.name)
        self._http: httpx.Client | None = None
        self.store: MutableMapping[str, Any] = SkillStore(self._gate, call.name)

    @property
    def http(self) -> httpx.Client:
        """Made at first use."""
        self._gate.check()
        if self._http is None:
            self._http = http_client()
        return self._http

    def say(self, text: str) -> None:
        self._with_host(lambda: self._host.say(text))

    def ask(self, question: str) -> str:
        answer = self._with_host(lambda: self._host.ask(question))
        if answer is None:
            raise NotConfirmed(
                f"{self.call.name} asked {question!r} and nobody could answer",
                "run it where you can be asked: `otto say` in a terminal",
            )
        return answer

    def confirm(self, question: str) -> bool:
        return self._with_host(lambda: self._host.confirm(question))

    def schedule(self, when: datetime, text: str, label: str = "") -> int:
        return scheduler.schedule(self._gate, self.call.name, when, text, label)

    def scheduled(self, skill: str = "") -> list[Scheduled]:
        return scheduler.pending(self._gate, skill or self.call.name)

    def unschedule(self, id: int, skill: str = "") -> bool:
        return scheduler.unschedule(self._gate, skill or self.call.name, id)

    def for_undo(self, value: Any) -> None:
        self._gate.check()
        to_json(value)  # refuses here, in the skill's own line, what the history could not keep
        self.left_for_undo = value

    def cancel(self) -> None:
        """The user wants nothing more of it: tell the skill, and wait for it no longer. From any thread."""
        self.clock.stop()
        self.cancelled.set()

    def close(self) -> None:
        """End the run: tell the skill, and shut it off where it goes on."""
        self.cancelled.set()
        self._gate.shut()
        if self._http is not None:
            self._http.close()

    def _with_host(self, work: Callable[[], Answer]) -> Answer:
        self._gate.check()
        with self.clock.paused():
            return work()


class _Gate:
    """Lets a skill's reads and writes through until it is shut; none is half-way when `shut` returns."""

    def __init__(self, database: Transacts, skill: str) -> None:
        self._database = database
        self._skill = skill
        self._lock = threading.RLock()
        self._open = True

    def transact(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        with self._lock:
            self.check()
            return self._database.transact(work)

    def check(self) -> None:
        if not self._open:
            raise SkillTimeout(f"The skill {self._skill} has been stopped", "nothing that it does now counts")

    def shut(self) -> None:
        with self._lock:
            self._open = False
