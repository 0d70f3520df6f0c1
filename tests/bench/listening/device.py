"""`otto listen` in a process of its own, at a sound device without hardware: how soon it answers, and what it costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from eval.noise import read_samples
from otto.demo import recordings
from otto.messages import SAMPLE_RATE
from tests.sound import SoundServer

PATIENCE = 120.0  # seconds
PAUSE = 1.6  # seconds of a quiet room after each sentence


@dataclass(frozen=True)
class Turns:
    """What a session at the device gave. Times in milliseconds, memory in MiB."""

    stt: str
    start: float  # from the start of the process until it listens
    sentences: int
    right: int
    early: int
    responses: tuple[float, ...]  # end of speech → the skill starts, of each turn
    recognition: tuple[float, ...]
    resident: float
    stop: float  # from Ctrl-C to the end of the process
    overflows: int


class Listening:
    """A running `otto listen --json`."""

    def __init__(self, home: Path, *options: str) -> None:
        self._began = time.monotonic()
        command = [sys.executable, "-m", "otto", "listen", "--json", "--silent", *options]
        pipe = subprocess.PIPE
        environ = {**os.environ, "OTTO_HOME": str(home)}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environ)
        self.events: list[tuple[float, dict[str, Any]]] = []  # seconds since the start, event
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, kind: str, state: str = "", after: int = 0, patience: float = PATIENCE) -> tuple[float, dict[str, Any]] | None:
        """The first such event after so many events; None where it does not come."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            for moment, event in self.events[after:]:
                if event["event"] == kind and state in ("", event.get("state")):
                    return moment, event
            time.sleep(0.01)
        return None

    def interrupt(self) -> float:
        """Ctrl-C; the milliseconds until the process has ended."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        return (time.monotonic() - began) * 1000

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append((time.monotonic() - self._began, json.loads(line)))


@contextmanager
def _listening(home: Path, *options: str) -> Iterator[Listening]:
    running = Listening(home, *options)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def turns(server: SoundServer, home: Path, stt: str, passes: int) -> Turns:
    """Play the demo's recorded commands into the microphone, one after another."""
    quiet = np.random.default_rng(1).normal(0, 4, round(PAUSE * SAMPLE_RATE)).astype(np.int16)
    with _listening(home, "--continuous", "--stt", stt) as first:  # which fills the caches
        assert first.wait_for("state", "listening")
    with _listening(home, "--continuous", "--stt", stt) as running:
        start = running.wait_for("state", "listening")
        assert start, "otto listen does not start"
        time.sleep(1.0)
        found, right, wanted = [], 0, 0
        for recording in recordings() * passes:
            if recording.call.name == "other":
                continue
            wanted += 1
            seen = len(running.events)
            server.play_into_microphone(np.concatenate([read_samples(recording.file), quiet]))
            if (turn := running.wait_for("turn", after=seen, patience=5.0)) is not None:
                found.append(turn[1])
                right += [call["name"] for call in turn[1]["calls"]] == [recording.call.name]
        resident = _resident(running.process.pid)
        stop = running.interrupt()
        ended = running.wait_for("ended")
    return Turns(
        stt, start[0] * 1000, wanted, right, sum(turn["early"] for turn in found), tuple(turn["timings"]["response"] for turn in found),
        tuple(turn["timings"]["stt"] for turn in found), resident, stop, ended[1]["overflows"] if ended else -1,
    )  # fmt: skip


def waiting(home: Path, seconds: float) -> float:
    """The share of one core that waiting for the wake word takes."""
    with _listening(home, "--wake", "--stt", "closed-phrase") as running:
        assert running.wait_for("state", "waiting"), "otto listen does not start"
        time.sleep(3.0)
        process = psutil.Process(running.process.pid)
        before = process.cpu_times()
        time.sleep(seconds)
        after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds


def _resident(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 2**20
