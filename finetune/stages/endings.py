"""How a run ends before its time: asked to, out of memory, on a full disk. What was learned stays, and the run's log says why."""

from __future__ import annotations

import errno
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from finetune.config import AnyStage
from finetune.stages import processes
from finetune.tracking import FAILED, STOPPED, Tracker
from otto.errors import ModelError, OttoError, StoreError

AGAIN = "give the same command again to go on from there"
ECHO = 1.0  # seconds in which a second signal is the launcher's copy of the first
_FULL = {errno.ENOSPC: "No space left", errno.EDQUOT: "quota exceeded", errno.EFBIG: "File too large"}
_FULL_WORDS = (*_FULL.values(), "PytorchStreamWriter failed", "unexpected pos")  # the last two are torch's, which keeps no reason
_MEMORY_WORDS = ("CUDA out of memory", "can't allocate memory", "not enough memory")


class Stopped(OttoError):
    """The stage was stopped from outside, with a checkpoint to go on from."""


@contextmanager
def stoppable(note: Callable[[str], None]) -> Iterator[threading.Event]:
    """The event is set by Ctrl-C or a request to end, to be heeded after the step that is being taken; a second one ends it at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    last = -ECHO

    def asked(number: int, frame: Any) -> None:
        nonlocal last
        if processes.promised() > 1 and time.monotonic() - last < ECHO:
            return
        last = time.monotonic()
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        note("Stopping after this step; again to stop at once")

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def accounted(tracker: Tracker, settings: AnyStage) -> Iterator[None]:
    """Whatever ends the run is written down, with the time that it took; a machine that is too small is named in a sentence.

    Raises:
        ModelError: the memory is full.
        StoreError: the disk is.
    """
    started, before = time.monotonic(), tracker.read().get("seconds", 0)

    def seconds() -> float:
        return round(float(before) + time.monotonic() - started, 1)

    try:
        yield
    except (KeyboardInterrupt, Stopped):
        tracker.finish(STOPPED, seconds=seconds())
        raise
    except Exception as error:
        sentence = _sentence(error, settings)
        with suppress(StoreError):  # on a full disk this cannot be written either
            tracker.finish(FAILED, error=str(sentence or error) or repr(error), seconds=seconds())
        if sentence is None:
            raise
        if not processes.is_main():  # the others do not know of it
            sys.stderr.write(f"{sentence}\n")
        raise sentence from None
    tracker.update(seconds=seconds())


def no_room(error: Exception) -> str:
    """Why there was no room for a file, as the system or a library says it; "" for other errors."""
    text = " ".join(str(error).split())
    full = getattr(error, "errno", None) in _FULL or any(words in text for words in _FULL_WORDS)
    return (getattr(error, "strerror", None) or text[:120]) if full else ""


def _sentence(error: Exception, settings: AnyStage) -> OttoError | None:
    if isinstance(error, OttoError):
        return None
    text = str(error)
    if isinstance(error, MemoryError) or any(words in text for words in _MEMORY_WORDS):
        return ModelError("The memory of the GPU is full" if "CUDA" in text else "The memory is full", _smaller(settings))
    if full := no_room(error):
        return StoreError(f"A checkpoint in {settings.out} cannot be written ({full})", f"make room, and {AGAIN}")
    return None


def _smaller(settings: AnyStage) -> str:
    batch, accumulate = settings.training.batch, settings.training.accumulate
    if batch == 1:
        return "give a smaller training.max_length and out=FOLDER, or take a smaller base"
    half = batch // 2 if batch % 2 == 0 else 1
    return f"give training.batch={half} training.accumulate={accumulate * batch // half} too, which learns the same and goes on from there"
