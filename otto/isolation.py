"""Where a skill runs: Otto's own in a thread, everybody else's in a worker process that can be killed.

A thread costs nothing, but it cannot be stopped, and code that kills its process or never lets go of the interpreter
takes Otto with it. Skills from the user's folder and from packages therefore share one worker, started at the first.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from otto.context import Clock, SkillContext
from otto.errors import SkillFailed
from otto.execute import Failure, Outcome, Speech, outcome_of
from otto.log import LOGGER
from otto.paths import room
from otto.registry import Registry
from otto.skill import SkillSpec
from otto.worker import error_to_json, outcome_from_json

Answer = TypeVar("Answer")
Late = TypeVar("Late")
POLL_SECONDS = 0.1  # how soon a wait notices that its deadline has moved
GRACE_SECONDS = 0.3  # for a skill in the worker to see `cancelled` before it is killed
START_SECONDS = 60.0  # for the worker to come up on a slow machine; no part of the skill's own time


def run_in_thread(name: str, run: Callable[[], Speech], clock: Clock) -> Outcome | None:
    """What comes of the run; None at its deadline. A thread that goes on is left behind: it ends with the process."""
    outcome: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    threading.Thread(target=lambda: outcome.put(outcome_of(run)), name=f"skill {name}", daemon=True).start()
    return wait(outcome, clock, None)


def is_foreign(spec: SkillSpec, registry: Registry) -> bool:
    """True where the skill came with somebody else's file or package."""
    loaded = bool(registry.folders) or registry.entry_points
    return loaded and spec.file is not None and not spec.file.is_relative_to(room("skills"))


class Worker:
    """The process of the foreign skills, started at first use and again after a skill took it down."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._process: _Process | None = None

    def run(self, context: SkillContext, *, undo: bool = False) -> Outcome | None:
        """What comes of the context's call; None at its deadline, and the skill is stopped."""
        call = {"name": context.call.name, "arguments": context.call.arguments}
        job = {"call": call, "settings": dict(context.settings), "undo_value": context.undo_value, "undo": undo}
        try:
            return self._started(context.clock).outcome(job, context)
        except BaseException:  # the user interrupts the wait
            self.close()
            raise

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process = None

    def _started(self, clock: Clock) -> _Process:
        if self._process is None or not self._process.alive:
            with clock.paused():  # a slow machine's start is not the skill's time
                folders = [str(folder) for folder in self._registry.folders if folder != room("skills")]
                self._process = _Process({"folders": folders, "entry_points": self._registry.entry_points})
        return self._process


class _Process:
    """One worker process and its pipes."""

    def __init__(self, registry: Mapping[str, Any]) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from otto.worker import main; main()"
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for Otto, which then stops the skill
        )
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read_messages, daemon=True).start()
        threading.Thread(target=self._log_output, daemon=True).start()
        self._write(registry)
        try:
            ready = self._messages.get(timeout=START_SECONDS)
        except queue.Empty:
            ready = None
        if ready is None:
            self.kill()
            raise SkillFailed(
                "The process that runs your skills did not start", "see what they import: otto skills check"
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process. Its readers close their pipes: a program that the skill started may hold them open."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def outcome(self, job: Mapping[str, Any], context: SkillContext) -> Outcome | None:
        """Have the job done and serve what it asks for until it ends, dies, or its deadline does."""
        self._write(job)
        message = self._next_message(context)
        while message is not None and "request" in message:
            self._write(_served(context, message["request"], message["arguments"]))
            message = self._next_message(context)
        if message is not None and "late" not in message:
            return outcome_from_json(message)
        return None if message is not None else Failure(self._end())

    def _next_message(self, context: SkillContext) -> dict[str, Any] | None:
        """None where the process has died, {"late": True} at the deadline."""
        message = wait(self._messages, context.clock, {"late": True})
        if message is not None and "late" in message:
            self._stop(context)
        return message

    def _stop(self, context: SkillContext) -> None:
        """Let the skill see that it is cancelled, then end the process with whatever it still does."""
        context.close()
        self._write({"cancel": True})
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self.kill()

    def _end(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"it ended its process with code {code}"
        try:
            return f"its process was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"its process was killed by signal {-code}"

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):  # it is dead: its reader says so
            self._process.stdin.write(json.dumps(message, default=str) + "\n")
            self._process.stdin.flush()

    def _read_messages(self) -> None:
        assert self._process.stdout
        with contextlib.suppress(ValueError), self._process.stdout as lines:  # a line can be cut off in the middle
            for line in lines:
                self._messages.put(json.loads(line))
        self._messages.put(None)

    def _log_output(self) -> None:
        assert self._process.stderr
        with self._process.stderr as lines:
            for line in lines:
                LOGGER.info("a skill printed: %s", line.rstrip())


def wait(source: queue.SimpleQueue[Answer], clock: Clock, late: Late) -> Answer | Late:
    """The next item, or `late` at the deadline, which moves while the user is being asked."""
    while clock.left > 0:
        with contextlib.suppress(queue.Empty):
            return source.get(timeout=min(clock.left, POLL_SECONDS))
    return late


def _served(context: SkillContext, method: str, arguments: Sequence[Any]) -> dict[str, Any]:
    """Do for the skill what it asked of its Context."""
    try:
        return {"value": _SERVICES[method](context, *arguments)}
    except Exception as error:  # noqa: BLE001  the skill asked for it, the skill gets it
        return {"error": error_to_json(error)}


def _scheduled(context: SkillContext, skill: str) -> list[Any]:
    return [(item.id, item.skill, item.when.isoformat(), item.text, item.label) for item in context.scheduled(skill)]


_MISSING = object()
_SERVICES: dict[str, Callable[..., Any]] = {
    "say": SkillContext.say,
    "ask": SkillContext.ask,
    "confirm": SkillContext.confirm,
    "schedule": lambda context, when, text, label: context.schedule(datetime.fromisoformat(when), text, label),
    "scheduled": _scheduled,
    "unschedule": SkillContext.unschedule,
    "for_undo": SkillContext.for_undo,
    "store_get": lambda context, key: [context.store[key]] if key in context.store else [],
    "store_set": lambda context, key, value: context.store.__setitem__(key, value),
    "store_delete": lambda context, key: context.store.pop(key, _MISSING) is not _MISSING,
    "store_keys": lambda context: list(context.store),
}
