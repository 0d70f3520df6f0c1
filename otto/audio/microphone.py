"""The microphone, through PortAudio."""

from __future__ import annotations

import math
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from otto.audio import portaudio
from otto.audio.devices import routed
from otto.audio.resample import FrameCutter, Resampler
from otto.errors import AudioError
from otto.messages import SAMPLE_RATE, AudioFrame

if TYPE_CHECKING:
    import sounddevice
    from typing_extensions import Self

    from otto.messages import Samples

SILENT_DEVICE = 5.0  # seconds without any sound data after which the device is given up; opening can take one or two
ONLY_ZEROS = 3.0  # seconds of zeros: a microphone in a silent room gives small numbers, one that is kept from us none
QUIET = -100.0  # dBFS, where there is nothing to measure
_SETTING = "otto config set audio.input NAME"
_BLOCK = 0.032  # seconds of sound in one delivery
_KEPT = 8.0  # seconds of sound that wait for who reads them; what comes on top is lost, and counted
_WAIT = 0.1  # seconds in which Ctrl-C is seen where a wait cannot be interrupted (Windows)


class Microphone:
    """A context manager whose iteration yields frames of 512 samples, 16 kHz mono, as they are recorded, until it is closed.

    `frame.start` counts seconds from the start; where sound was lost because it was read too late, it jumps.

    Args:
        device: name, part of a name, or number of an input device; empty for the system's default.
        warn: told one sentence, once, when nothing but zeros is recorded, as where the system refuses the microphone.
    """

    def __init__(self, device: str = "", warn: Callable[[str], None] = lambda sentence: None) -> None:
        self._device = device
        self._warn = warn
        self._stream: sounddevice.InputStream | None = None
        self._ring: list[_Block] = []
        self._filled: queue.SimpleQueue[_Block | AudioError | None] = queue.SimpleQueue()  # None: closed
        self._taken = self._overflows = self._lost = 0
        self._paused = math.inf  # when, on the clock time.monotonic
        self._closed = False

    def __enter__(self) -> Self:
        """Start recording. Raises AudioError: PortAudio is missing, there is no such device, or it is taken."""
        self._start()
        portaudio.hold(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def overflows(self) -> int:
        """How often sound was lost: here, as it was read too late, or before PortAudio could take it."""
        return self._overflows

    @property
    def level(self) -> float:
        """How loud the last block was, dBFS: 0 is the loudest that there is, -100 is silence."""
        if not self._taken:
            return QUIET
        samples = self._ring[(self._taken - 1) % len(self._ring)].samples.astype(np.float32)
        power = float(np.mean(samples * samples)) / 32768**2
        return max(QUIET, 10 * math.log10(power)) if power else QUIET

    def close(self) -> None:
        """Stop recording, from any thread: the iteration ends."""
        self._closed = True
        portaudio.let_go(self)
        self.pause()
        self._filled.put(None)

    def pause(self) -> bool:
        """Close the stream; PortAudio looks for devices anew."""
        with portaudio.LOCK:
            stream, self._stream = self._stream, None
            if stream is not None:
                portaudio.close_stream(stream)
        self._paused = time.monotonic()
        return True

    def resume(self) -> None:
        """Go on recording. Where that fails, the iteration raises it."""
        if self._closed:
            return
        try:
            self._start()
        except AudioError as error:
            self._filled.put(error)

    def __iter__(self) -> Iterator[AudioFrame]:
        """Yield what is recorded. Raises AudioError, once, if the device stops giving any (it was unplugged)."""
        cutter, convert, zeros = FrameCutter(), _Converter(), 0.0
        while (block := self._next_block()) is not None:
            if block.lost:
                cutter.skip(round(block.lost / block.rate * SAMPLE_RATE))
            before, zeros = zeros, 0.0 if block.samples.any() else zeros + len(block.samples) / block.rate
            if before < ONLY_ZEROS <= zeros:
                self._warn(str(AudioError("The microphone gives nothing but silence", _silence_mend())))
                zeros = math.inf  # said once
            yield from cutter.push(convert(block))

    def _next_block(self) -> _Block | None:
        until = time.monotonic() + SILENT_DEVICE
        while not self._closed:
            try:
                item = self._filled.get(timeout=_WAIT)
            except queue.Empty:
                if time.monotonic() < until:
                    continue
                item = _gone()
            if isinstance(item, AudioError):
                self.close()
                raise item
            return item
        return None

    def _start(self) -> None:
        library = portaudio.load_portaudio()
        with portaudio.LOCK:
            try:
                self._stream = self._open(library)
                self._stream.start()
            except (library.PortAudioError, ValueError) as error:
                self.pause()
                raise self._why(library, error) from None

    def _open(self, library: Any) -> sounddevice.InputStream:
        """At 16 kHz mono where the device can, else at its own rate and with as many channels as it has."""
        with routed("microphone", self._device) as device:
            with _unless(library, portaudio.BAD_RATE, portaudio.BAD_CHANNELS):
                return self._stream_at(library, device, SAMPLE_RATE, 1)
            about = library.query_devices(device, "input")
            rate = int(about["default_samplerate"])
            with _unless(library, portaudio.BAD_CHANNELS):
                return self._stream_at(library, device, rate, 1)
            return self._stream_at(library, device, rate, int(about["max_input_channels"]))

    def _stream_at(self, library: Any, device: str | int | None, rate: int, channels: int) -> sounddevice.InputStream:
        size = round(rate * _BLOCK)
        stream = library.InputStream(
            samplerate=rate, blocksize=size, device=device, channels=channels, dtype="int16",
            callback=self._take, finished_callback=self._finished,
        )  # fmt: skip
        self._ring = [_Block(np.zeros((size, channels), np.int16), rate) for _ in range(round(_KEPT / _BLOCK))]
        self._taken = 0
        if self._paused < math.inf:
            self._lost += round((time.monotonic() - self._paused) * rate)
        return stream

    def _take(self, samples: Samples, frames: int, when: Any, status: Any) -> None:
        """Called by PortAudio's own thread; `samples` is int16[frames, channels] and is reused after the call."""
        if status.input_overflow:
            self._overflows += 1
        if self._filled.qsize() >= len(self._ring) - 1:  # one is in the reader's hands
            self._overflows += 1
            self._lost += frames
            return
        block = self._ring[self._taken % len(self._ring)]
        block.samples[:] = samples
        block.lost, self._lost = self._lost, 0
        self._taken += 1
        self._filled.put(block)

    def _finished(self) -> None:
        """Called by PortAudio when a stream is over: we closed it, or its device is gone."""
        if self._stream is not None:
            self._filled.put(_gone())

    def _why(self, library: Any, error: Exception) -> AudioError:
        code = portaudio.error_code(error)
        if not any(device["max_input_channels"] for device in library.query_devices()):
            return AudioError("There is no microphone", "plug one in, or give a sound file: otto hear FILE")
        if isinstance(error, ValueError) or (self._device and code != portaudio.TAKEN):
            return AudioError(f"There is no microphone {self._device!r}", f"`otto devices` lists them; choose one with: {_SETTING}")
        if code == portaudio.TAKEN:
            return AudioError("The microphone is taken by another program", f"close that one, or choose another with: {_SETTING}")
        return AudioError(f"The microphone cannot be opened ({error.args[0]})", f"choose another with: {_SETTING}")


@contextmanager
def _unless(library: Any, *codes: int) -> Iterator[None]:
    """Go on where PortAudio refuses with one of these codes."""
    try:
        yield
    except library.PortAudioError as error:
        if portaudio.error_code(error) not in codes:
            raise


class _Block:
    """One delivery of sound: int16[n, channels] at the device's rate, and how many samples were dropped just before it."""

    __slots__ = ("lost", "rate", "samples")

    def __init__(self, samples: Samples, rate: int) -> None:
        self.samples, self.rate, self.lost = samples, rate, 0


class _Converter:
    """Blocks to int16[n], 16 kHz mono."""

    def __init__(self) -> None:
        self._rate = SAMPLE_RATE
        self._resampler: Resampler | None = None

    def __call__(self, block: _Block) -> Samples:
        mono = _mono(block.samples)
        if block.rate == SAMPLE_RATE:
            return mono
        import av

        if self._resampler is None or self._rate != block.rate:
            self._resampler, self._rate = Resampler(), block.rate
        frame = av.AudioFrame.from_ndarray(mono.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = block.rate
        return self._resampler.push(frame)


def _mono(samples: Samples) -> Samples:
    """Of two channels the mean; of more the first, which an array of microphones gives its best sound. A copy."""
    if samples.shape[1] == 2:
        mean: Samples = samples.mean(axis=1, dtype=np.float32).round().astype(np.int16)
        return mean
    return samples[:, 0].copy()


def _gone() -> AudioError:
    return AudioError("The microphone gives no sound", f"plug it in again, or choose another with: {_SETTING}")


def _silence_mend() -> str:
    if sys.platform == "darwin":
        return "allow this terminal in System Settings, Privacy & Security, Microphone"
    if sys.platform == "win32":
        return "allow desktop apps in Settings, Privacy & security, Microphone, and unmute it"
    return f"unmute it, or choose another with: {_SETTING}"
