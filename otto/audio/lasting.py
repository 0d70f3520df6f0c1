"""A microphone that comes back: unplugged and plugged in, its sound server restarted, or held by another program for a while."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from otto.audio import portaudio
from otto.audio.devices import find_device
from otto.audio.microphone import QUIET, Microphone
from otto.audio.watch import Watch
from otto.errors import AudioError
from otto.messages import AudioFrame

if TYPE_CHECKING:
    from typing_extensions import Self

RETRY = 1.0  # seconds between two attempts


class LastingMicrophone:
    """As `Microphone`, for days: its iteration ends only when it is closed.

    What fails is told once, in a sentence, and tried again every second. After a loss `frame.start` jumps by the time that was
    lost. Where the wanted device is not there, the system's default stands in for it until it is.

    Args:
        device: name, part of a name, or number of an input device; empty for the system's default.
        warn: told one sentence at each loss, and one when the microphone is back.
        waiting: called by the iteration every second in which there is no microphone.
    """

    def __init__(
        self, device: str = "", warn: Callable[[str], None] = lambda sentence: None, waiting: Callable[[], None] = lambda: None
    ) -> None:
        self._device = device
        self._warn = warn
        self._waiting = waiting
        self._microphone: Microphone | None = None
        self._began = 0.0  # when the first one was opened, on the clock time.monotonic
        self._overflows = 0  # of those that are closed
        self._closed = threading.Event()
        self._told = False  # what keeps the microphone from working
        self._stand_in = False  # the default one is open, and another is wanted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def working(self) -> bool:
        """Whether a microphone is open."""
        return self._microphone is not None

    @property
    def overflows(self) -> int:
        """How often sound was lost: it was read too late, or PortAudio could not take it."""
        microphone = self._microphone
        return self._overflows + (microphone.overflows if microphone else 0)

    @property
    def level(self) -> float:
        """How loud the last block was, dBFS: 0 is the loudest that there is, -100 is silence."""
        microphone = self._microphone
        return microphone.level if microphone else QUIET

    def close(self) -> None:
        """Stop recording, from any thread: the iteration ends."""
        self._closed.set()
        if (microphone := self._microphone) is not None:
            microphone.close()

    def __iter__(self) -> Iterator[AudioFrame]:
        """Yield what is recorded; while there is no microphone, wait."""
        while (microphone := self._opened()) is not None:
            offset = time.monotonic() - self._began
            try:
                for frame in self._until_the_wanted_is_there(microphone):
                    yield AudioFrame(frame.samples, frame.start + offset)
            except AudioError as error:
                self._tell(error)
            finally:
                self._put_away(microphone)

    def _opened(self) -> Microphone | None:
        """One that is recording, as soon as there is; None when closed."""
        while not self._closed.is_set():
            microphone = self._microphone or self._first_that_opens()
            if microphone is not None:
                self._began = self._began or time.monotonic()
                self._microphone = microphone
                if self._closed.is_set():  # meanwhile: who closed did not see this one
                    microphone.close()
                return microphone
            self._waiting()
            self._closed.wait(RETRY)
            portaudio.look_again()
        return None

    def _first_that_opens(self) -> Microphone | None:
        try:
            return self._wanted()
        except AudioError as error:
            if not self._device:
                self._tell(error)
                return None
            try:
                microphone = Microphone("", self._warn).__enter__()
            except AudioError:
                self._tell(error)
                return None
            self._warn(_stands_in(error.what))
            self._told, self._stand_in = False, True
            return microphone

    def _wanted(self) -> Microphone:
        microphone = Microphone(self._device, self._warn).__enter__()
        if self._told or self._stand_in:
            self._warn("The microphone is back.")
        self._told = self._stand_in = False
        return microphone

    def _until_the_wanted_is_there(self, microphone: Microphone) -> Iterator[AudioFrame]:
        """The frames of a microphone; of a stand-in, until the wanted one can be opened, which then is."""
        with self._watch() as watch:
            for frame in microphone:
                yield frame
                there = watch.news()
                if there and self._stand_in:
                    with contextlib.suppress(AudioError):  # it is there, and cannot be opened
                        self._change_to_the_wanted()
                        return
                elif there is False and not self._stand_in:  # the sound server has given the stream another microphone
                    self._warn(_stands_in(f"The microphone {self._device!r} is gone"))
                    self._stand_in = True

    def _watch(self) -> Watch:
        if self._stand_in:
            return Watch("microphone", self._device)
        found = find_device("microphone", self._device) if self._device else None
        of_server = found is not None and found.number is None
        return Watch("microphone", self._device, of_server=True) if of_server else Watch("microphone", "")

    def _change_to_the_wanted(self) -> None:
        if find_device("microphone", self._device) is None:
            portaudio.look_again()
        self._microphone = self._wanted()  # the other is still open, and goes on where this fails

    def _put_away(self, microphone: Microphone) -> None:
        microphone.close()
        self._overflows += microphone.overflows
        if self._microphone is microphone:
            self._microphone = None

    def _tell(self, error: AudioError) -> None:
        if not self._told:
            self._warn(str(error))
        self._told = True


def _stands_in(what: str) -> str:
    return f"{what}; the default one stands in until it is there."
