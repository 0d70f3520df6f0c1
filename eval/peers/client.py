"""A peer as a router: a worker process that is asked line by line."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from eval.peers import ASSIST, PEERS
from eval.peers.assist import assist_call
from eval.peers.install import remark_on
from eval.peers.lesson import Lesson, plain_words
from eval.runner import PROCESS_CPU
from otto.call import Call
from otto.errors import OttoError
from otto.messages import Route
from otto.registry import Registry
from otto.skill import OTHER

INSTALL = "run: otto eval bench --install-peers"
WORKER = Path(__file__).parent / "worker.py"
LEARNING_SECONDS = 1800.0  # that a peer may take until it is ready
ANSWER_SECONDS = 60.0  # and for one answer


class PeerError(OttoError):
    """A peer is not installed, does not start, or cannot answer."""

    def __init__(self, what: str, mend: str = "leave it out with --peers, or install it anew: otto eval bench --install-peers") -> None:
        super().__init__(what, mend)


class PeerRouter:
    """A peer that has learnt the examples of the skills. Its process ends with `close`, or with this one."""

    def __init__(self, name: str, registry: Registry, python: Path, worker: Path = WORKER) -> None:
        """Raises PeerError where the peer cannot be made."""
        self.name = name
        self.lesson = Lesson.of(registry)
        self._process = _started(python, worker)
        self._replies: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            ready = self._ask(self.lesson.to_json(name), LEARNING_SECONDS).get("ready")
            if not isinstance(ready, dict):
                raise PeerError(f"{name} did not say that it is ready")
        except PeerError:
            self.close()
            raise
        self.versions: Mapping[str, str] = ready

    def route(self, text: str) -> Route:
        """The peer's call. Raises PeerError where it cannot answer."""
        started = time.perf_counter()
        reply = self._ask({"text": plain_words(text)}, ANSWER_SECONDS)
        try:
            call = self._call(text, reply["intent"], reply["values"])
            cpu = float(reply["cpu"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise PeerError(f"{self.name} answered what is no answer") from None
        return Route(text, (call,), 1.0, self.name, (time.perf_counter() - started) * 1000, timings={PROCESS_CPU: cpu})

    def update(self, registry: Registry) -> None:
        """Peers are made once."""
        raise PeerError(f"{self.name} cannot take up other skills", "leave it out with --peers")

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                stream.close() if stream else None

    def _call(self, text: str, intent: Any, values: Mapping[str, str]) -> Call:
        if intent is None:
            return Call(OTHER)
        return assist_call(self.lesson.specs, text, intent, values) if self.name == ASSIST else self.lesson.call(text, intent, values)

    def _ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._replies.get(timeout=seconds)
        except queue.Empty:
            raise PeerError(f"{self.name} gave no answer in {seconds:.0f} s") from None
        except (OSError, ValueError):  # the pipe is broken, or closed
            line = None
        if line is None:
            raise PeerError(f"the process of {self.name} has ended (exit code {self._process.wait()})")
        try:
            reply = json.loads(line)
        except ValueError:
            raise PeerError(f"{self.name} answered what is no JSON") from None
        if not isinstance(reply, dict):
            raise PeerError(f"{self.name} answered what is no answer")
        if "missing" in reply:
            package = PEERS[self.name].package
            raise PeerError(f"{package} is not installed in the peers' environment", remark_on(package) or INSTALL)
        if "error" in reply:
            raise PeerError(f"{self.name}: {reply['error']}")
        return reply

    def _read(self) -> None:
        assert self._process.stdout
        with suppress(OSError, ValueError):  # closed meanwhile
            for line in self._process.stdout:
                self._replies.put(line)
        self._replies.put(None)


def peer_opener(name: str, python: Path, opened: list[PeerRouter]) -> Callable[[Registry, Any], PeerRouter]:
    """For `eval.measure.measure`; what it opens is noted, to be closed."""

    def open_peer(registry: Registry, settings: Any) -> PeerRouter:
        opened.append(PeerRouter(name, registry, python))
        return opened[-1]

    return open_peer


def _started(python: Path, worker: Path) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [str(python), "-I", str(worker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
        )
    except OSError as error:
        raise PeerError(f"The peers are not installed ({error.strerror})", INSTALL) from None
