"""The process in which skills that are not Otto's own run: where one is killed or crashes, only this process ends.

It reads jobs and answers from its standard input, and writes questions and outcomes to its standard output: one JSON
object a line.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from otto import errors
from otto.call import Call
from otto.context import http_client
from otto.errors import OttoError
from otto.execute import Failure, Instances, Outcome, Speech, outcome_of, run_skill, run_undo
from otto.registry import Registry
from otto.skill import Scheduled

if TYPE_CHECKING:
    import httpx


def main() -> None:
    """Serve jobs until the standard input ends. The first line says where the skills are."""
    link = _Link()
    place = link.next_job()
    folder = Path(place["folders"][-1]) if place["folders"] else None
    jobs = _Jobs(link, Registry.load(folder, bundled=False, entry_points=place["entry_points"]))
    link.write({"ready": True})
    while True:
        link.write(jobs.outcome(link.next_job()))


class _Jobs:
    def __init__(self, link: _Link, registry: Registry) -> None:
        self._link = link
        self._registry = registry
        self._instances = Instances()

    def outcome(self, job: Mapping[str, Any]) -> dict[str, Any]:
        return outcome_to_json(outcome_of(lambda: self._run(job)))

    def _run(self, job: Mapping[str, Any]) -> Speech:
        self._registry.refresh()
        call = Call(**job["call"])
        spec = self._registry.get(call.name)
        context = _RemoteContext(self._link, call, job["settings"], job["undo_value"])
        if job["undo"]:
            return run_undo(spec, context, self._instances)
        return run_skill(spec, spec.validate(call), context, self._instances)


class _Link:
    """The two pipes. What the skill itself prints goes to the standard error instead, and from there to the log."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._in: TextIO = os.fdopen(os.dup(0), encoding="utf-8")
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what was printed before a kill is in the log
        self._jobs: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._asking = threading.Lock()
        self.cancelled = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def next_job(self) -> Mapping[str, Any]:
        job = self._jobs.get()
        self.cancelled.clear()
        return job

    def write(self, message: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def request(self, method: str, *arguments: Any) -> Any:
        """Have the parent do something for the skill. Raises what it raised there."""
        with self._asking:
            self.write({"request": method, "arguments": arguments})
            answer = self._answers.get()
        if "error" in answer:
            raise error_from_json(answer["error"])
        return answer["value"]

    def _read(self) -> None:
        for line in self._in:
            message = json.loads(line)
            if "cancel" in message:
                self.cancelled.set()
            elif "value" in message or "error" in message:
                self._answers.put(message)
            else:
                self._jobs.put(message)
        os._exit(0)  # Otto is gone; the skill may be in the middle of something that would never end


class _RemoteContext:
    """The Context of otto.skill by way of the parent process."""

    def __init__(self, link: _Link, call: Call, settings: Mapping[str, Any], undo_value: Any) -> None:
        self.call = call
        self.settings = settings
        self.cancelled = link.cancelled
        self.undo_value = undo_value
        self._link = link
        self.store: MutableMapping[str, Any] = _RemoteStore(link)

    @cached_property
    def http(self) -> httpx.Client:
        return http_client()

    def say(self, text: str) -> None:
        self._link.request("say", text)

    def ask(self, question: str) -> str:
        return str(self._link.request("ask", question))

    def confirm(self, question: str) -> bool:
        return bool(self._link.request("confirm", question))

    def schedule(self, when: datetime, text: str, label: str = "") -> int:
        return int(self._link.request("schedule", when.isoformat(), text, label))

    def scheduled(self, skill: str = "") -> list[Scheduled]:
        rows = self._link.request("scheduled", skill)
        return [Scheduled(id, name, datetime.fromisoformat(when), text, label) for id, name, when, text, label in rows]

    def unschedule(self, id: int, skill: str = "") -> bool:
        return bool(self._link.request("unschedule", id, skill))

    def for_undo(self, value: Any) -> None:
        self._link.request("for_undo", value)


class _RemoteStore(MutableMapping[str, Any]):
    def __init__(self, link: _Link) -> None:
        self._link = link

    def __getitem__(self, key: str) -> Any:
        found = self._link.request("store_get", key)
        if not found:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: str, value: Any) -> None:
        self._link.request("store_set", key, value)

    def __delitem__(self, key: str) -> None:
        if not self._link.request("store_delete", key):
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._link.request("store_keys"))

    def __len__(self) -> int:
        return len(self._link.request("store_keys"))


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Speech):
        return {"speech": outcome.text, "said": outcome.said}
    if isinstance(outcome, OttoError):
        return {"error": error_to_json(outcome)}
    return {"failure": outcome.reason, "trace": outcome.trace}


def outcome_from_json(message: Mapping[str, Any]) -> Outcome:
    if "speech" in message:
        return Speech(message["speech"], message["said"])
    if "error" in message:
        error = error_from_json(message["error"])
        return error if isinstance(error, OttoError) else Failure(str(error))
    return Failure(message["failure"], message["trace"])


def error_to_json(error: Exception) -> list[str]:
    """Its class, and the two parts of its sentence."""
    if isinstance(error, OttoError):
        return [type(error).__name__, error.what, error.mend]
    return [type(error).__name__, str(error), ""]


def error_from_json(message: list[str]) -> Exception:
    """One of Otto's errors as itself, any other as a ValueError."""
    name, what, mend = message
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, OttoError)):
        return ValueError(what) if name in ("KeyError", "TypeError", "ValueError") else OttoError(what, mend)
    error = kind.__new__(kind)
    OttoError.__init__(error, what, mend)  # several classes make their sentence from other arguments
    return error
