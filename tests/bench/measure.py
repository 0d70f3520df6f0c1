"""Clocks: processes from start to end, and engines side by side."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otto.call import Call
from otto.errors import OttoError
from otto.messages import Route
from tests.bench.figures import Run, Sample, Start

if TYPE_CHECKING:
    import psutil

Answer = Call | Route  # a peer gives the call, Otto's routers a route
Answerer = Callable[[str], Answer]
OTTO = (sys.executable, "-m", "otto")
_MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10  # getrusage(2): bytes on macOS, kilobytes elsewhere
_REST = 0.3  # seconds between two looks at whether the process is at rest
_AT_REST = 0.1  # share of one core
_PATIENCE = 900.0  # seconds to wait for rest


@dataclass(frozen=True)
class Sentence:
    """Something to route, and what kind of sentence it is."""

    text: str
    kind: str


def start(what: str, arguments: Sequence[str], environ: Mapping[str, str], runs: int, warm_up: int = 1) -> Start:
    """Run `otto …` several times."""
    try:
        found = [_run([*OTTO, *arguments], environ) for _ in range(warm_up + runs)]
    except RuntimeError as error:
        return Start(what, missing=str(error))
    return Start(what, tuple(found[warm_up:]))


def _run(command: Sequence[str], environ: Mapping[str, str]) -> Run:
    """One process and its children. Raises RuntimeError with its last words where it ends with an error."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    trouble = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = (time.perf_counter() - started) * 1000
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    if process.returncode not in (0, 3):  # 3: done, and no skill fits
        raise RuntimeError((trouble.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"])[-1])
    return Run((usage.ru_utime + usage.ru_stime) * 1000, wall, usage.ru_maxrss / _MAXRSS_PER_MIB)


def side_by_side(
    routes: Mapping[str, Answerer], sentences: Sequence[Sentence], forget: Callable[[], None]
) -> dict[str, list[tuple[Sample, Answer]]]:
    """Each sentence through every engine, one engine after another, so that a busy moment of the machine meets all of them.

    The order of the engines turns from sentence to sentence, and `forget` empties what they share: none finds a sentence
    prepared by the one before it. The garbage collector runs between sentences, not in them.
    """
    names = list(routes)
    found: dict[str, list[tuple[Sample, Answer]]] = {name: [] for name in names}
    gc.collect()
    gc.disable()
    try:
        for number, sentence in enumerate(sentences):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                forget()
                found[name].append(_sample(routes[name], sentence))
            if number % 50 == 49:
                gc.collect()
    finally:
        gc.enable()
    return found


def _sample(route: Answerer, sentence: Sentence) -> tuple[Sample, Answer]:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = route(sentence.text)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Sample(sentence.kind, cpu * 1000, wall * 1000), answer


def rest() -> None:
    """Wait until this process does nothing in the background."""
    patience = time.monotonic() + _PATIENCE
    quiet = 0
    while quiet < 2 and time.monotonic() < patience:
        before = time.process_time()
        time.sleep(_REST)
        quiet = quiet + 1 if time.process_time() - before < _AT_REST * _REST else 0


def children_end() -> None:
    """Wait for the processes that this one has started: a router may be training in one."""
    import psutil

    patience = time.monotonic() + _PATIENCE
    while time.monotonic() < patience and any(_alive(child) for child in psutil.Process().children(recursive=True)):
        time.sleep(_REST)


def _alive(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:  # it has ended
        return False


def reason(error: BaseException) -> str:
    """An error as a sentence."""
    return str(error) if isinstance(error, OttoError) else f"{type(error).__name__}: {error}"
