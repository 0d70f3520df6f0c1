"""The microphone, through PortAudio."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from otto.audio.portaudio import BAD_RATE, TAKEN, device_of, error_code, load_portaudio
from otto.audio.resample import FrameCutter, Resampler
from otto.errors import AudioError
from otto.messages import SAMPLE_RATE, AudioFrame

if TYPE_CHECKING:
    import sounddevice
    from typing_extensions import Self

    from otto.messages import Samples

_SILENT_DEVICE = 5.0  # seconds without any sound data after which the device is given up; opening can take one or two
_SETTING = "otto config set audio.input NAME"
_BLOCK = 0.032  # seconds of sound in one delivery, where the device keeps to it


class Microphone:
    """A context manager whose iteration yields frames of 512 samples, 16 kHz mono, as they are recorded, without end.

    Args:
        device: name, part of a name, or number of an input device; empty for the system's default.
    """

    def __init__(self, device: str = "") -> None:
        self._device = device_of(device)
        self._arrived: queue.SimpleQueue[Samples] = queue.SimpleQueue()
        self._stream: sounddevice.InputStream | None = None
        self._rate = SAMPLE_RATE

    def __enter__(self) -> Self:
        """Start recording. Raises AudioError: PortAudio is missing, there is no such device, or it is taken."""
        portaudio = load_portaudio()
        try:
            self._stream = self._open(portaudio)
            self._stream.start()
        except (portaudio.PortAudioError, ValueError) as error:
            self.__exit__(None, None, None)
            raise self._why(portaudio, error) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def __iter__(self) -> Iterator[AudioFrame]:
        """Yield what is recorded. Raises AudioError if the device stops giving any (it was unplugged)."""
        cutter = FrameCutter()
        convert = _converter(self._rate)
        while True:
            try:
                samples = self._arrived.get(timeout=_SILENT_DEVICE)
            except queue.Empty:
                raise AudioError("The microphone gives no sound", f"plug it in again, or choose another with: {_SETTING}") from None
            yield from cutter.push(convert(samples))

    def _open(self, portaudio: Any) -> sounddevice.InputStream:
        """At 16 kHz where the device can, else at its own rate."""
        try:
            return self._stream_at(portaudio, SAMPLE_RATE)
        except portaudio.PortAudioError as error:
            if error_code(error) != BAD_RATE:
                raise
        self._rate = int(portaudio.query_devices(self._device, "input")["default_samplerate"])
        return self._stream_at(portaudio, self._rate)

    def _stream_at(self, portaudio: Any, rate: int) -> sounddevice.InputStream:
        return portaudio.InputStream(
            samplerate=rate, blocksize=round(rate * _BLOCK), device=self._device, channels=1, dtype="int16", callback=self._take
        )

    def _take(self, block: Samples, frames: int, when: Any, status: Any) -> None:
        """Called by PortAudio's own thread; `block` is int16[frames, 1] and is reused after the call."""
        self._arrived.put(block[:, 0].copy())

    def _why(self, portaudio: Any, error: Exception) -> AudioError:
        if not any(device["max_input_channels"] for device in portaudio.query_devices()):
            return AudioError("There is no microphone", "plug one in, or give a sound file: otto hear FILE")
        if isinstance(error, ValueError) or (self._device is not None and error_code(error) != TAKEN):
            return AudioError(f"There is no microphone {self._device!r}", f"`otto doctor` lists them; choose one with: {_SETTING}")
        if error_code(error) == TAKEN:
            return AudioError("The microphone is taken by another program", f"close that one, or choose another with: {_SETTING}")
        return AudioError(f"The microphone cannot be opened ({error.args[0]})", f"choose another with: {_SETTING}")


def _converter(rate: int) -> Any:
    if rate == SAMPLE_RATE:
        return lambda samples: samples
    import av

    resampler = Resampler()

    def convert(samples: Samples) -> Samples:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        return resampler.push(frame)

    return convert
