"""The loudspeaker, through PortAudio."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from otto.audio.devices import routed
from otto.audio.portaudio import BAD_CHANNELS, LOCK, TAKEN, close_stream, error_code, hold, let_go, load_portaudio
from otto.audio.resample import resampled
from otto.errors import AudioError
from otto.messages import SAMPLE_RATE, Sound

if TYPE_CHECKING:
    import sounddevice
    from typing_extensions import Self

    from otto.messages import Samples

_SETTING = "otto config set audio.output NAME"
_LATENCY = 0.08  # seconds that the device is asked to hold: enough that a busy machine does not run it dry
_IDLE = 5.0  # seconds after the last sound before the device is let go
_STALLED = 3.0  # seconds in which a device that has something to play asks for nothing: it is gone
_SLOW_START = ("bluetooth", "bluez", "airpods", "hands-free", "headset")  # in the names of devices that swallow a beginning
_LEAD_IN, _SLOW_LEAD_IN = 0.1, 0.4  # seconds of silence before the first sound of a stream newly opened
_CLOCK_JUMP, _CLOCK_PULL = 0.05, 0.02  # seconds by which the device's clock jumps where it ran dry; share of a smaller step that is believed
_REMEMBERED = 64  # sounds that `reference` still knows


@dataclass
class _Item:
    """A sound in the queue, or one that was played."""

    samples: Samples  # int16[n], mono, at the device's rate
    reference: Samples  # int16[n], the same at 16 kHz
    taken: int = 0  # samples that the device has been given
    began: float = 0.0  # time.monotonic() at which its first sample sounds
    ended: float = float("inf")  # time.monotonic() at which it was cut off


class Speaker:
    """Plays one sound after another. A context manager; the device is opened by the first sound, and let go when idle.

    Args:
        device: name, part of a name, or number of an output device; empty for the system's default.
    """

    def __init__(self, device: str = "") -> None:
        self._device = device
        self._lock = threading.RLock()  # held by who opens, closes and stops; never by the callback
        self._stream: sounddevice.OutputStream | None = None
        self._queue: deque[_Item] = deque()
        self._played: deque[_Item] = deque(maxlen=_REMEMBERED)
        self._closer: threading.Timer | None = None
        self._silence = 0  # samples of lead-in that are still to come
        self._gap = True  # the device was given silence since the last sound
        self._given, self._origin = 0, 0.0  # samples, and time.monotonic() at which the first of them sounded
        self._until = 0.0  # time.monotonic() at which the last sample that was given sounds
        self._asked = 0.0  # time.monotonic() at which the device last asked for sound
        self._rate = SAMPLE_RATE  # Hz, of the device
        self._delay = 0.0  # seconds from being asked for sound to its sounding, where the device does not tell
        self.underflows = 0  # times that the device ran dry, since it was made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()
        if self._closer is not None:
            self._closer.join()

    @property
    def busy(self) -> bool:
        """Whether anything is sounding or waiting to."""
        return bool(self._queue) or time.monotonic() < self._until

    @property
    def seconds_waiting(self) -> float:
        """How much sound has yet to be given to the device."""
        return sum(len(item.samples) - item.taken for item in tuple(self._queue)) / self._rate

    def open(self) -> None:
        """Open the device ahead of the first sound, so that its slow start is over when that comes.

        Raises:
            AudioError: PortAudio is missing, there is no such device, or it is taken.
        """
        with self._lock:
            self._close_later()
            if self._stream is not None and self._broken():
                self._close()
            if self._stream is None:
                self._stream = self._opened(load_portaudio())
            if self._stream.stopped:
                self._asked = time.monotonic()
                self._gap, self._given, self._origin = True, 0, 0.0
                self._stream.start()

    def play(self, sound: Sound) -> None:
        """Queue a sound and return. Raises AudioError: PortAudio is missing, there is no such device, or it is taken."""
        self.open()
        item = _Item(resampled(sound.samples, sound.rate, self._rate), resampled(sound.samples, sound.rate, SAMPLE_RATE))
        if len(item.samples):
            self._queue.append(item)

    def stop(self) -> None:
        """Be silent at once, and forget what is waiting."""
        with self._lock:
            busy, self._queue = self.busy, deque()
            if busy and self._stream is not None:
                self._stream.abort(ignore_errors=True)  # what the device still holds is thrown away
            now = time.monotonic()
            self._until = min(self._until, now)
            for item in self._played:
                item.ended = min(item.ended, now)

    def wait(self, timeout: float = float("inf")) -> bool:
        """Wait until all is played, at most `timeout` seconds; returns whether it is.

        Raises:
            AudioError: the device has broken down; what was waiting is forgotten.
        """
        until = time.monotonic() + timeout
        while self.busy:
            if self._broken():
                self._close()
                raise AudioError("The loudspeaker has stopped working", f"plug it in again, or choose another with: {_SETTING}")
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def reference(self, start: float, end: float) -> Samples:
        """What sounds from `start` to `end`, times of time.monotonic(): int16[n], 16 kHz mono. The last minute or so is known."""
        first, count = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE) - round(start * SAMPLE_RATE)
        found = np.zeros(count, np.int16)
        for item in tuple(self._played):
            begin = round(item.began * SAMPLE_RATE) - first
            length = min(len(item.reference), round((item.ended - item.began) * SAMPLE_RATE) if item.ended < end else len(item.reference))
            left, right = max(0, begin), min(count, begin + length)
            if left < right:
                found[left:right] = item.reference[left - begin : right - begin]
        return found

    def pause(self) -> bool:
        """Let the device go while PortAudio looks for devices anew; not while it is playing."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self.busy and not self._broken():
                return False
            self._close()
            return True
        finally:
            self._lock.release()

    def resume(self) -> None:
        """The next sound opens the device."""

    def _opened(self, portaudio: Any) -> sounddevice.OutputStream:
        """The device at its own rate, as one channel where it can."""
        try:
            with LOCK, routed("loudspeaker", self._device) as device:
                about = portaudio.query_devices(device, "output")
                self._rate = int(about["default_samplerate"])
                try:
                    stream = self._stream_with(portaudio, device, 1)
                except portaudio.PortAudioError as error:
                    if error_code(error) != BAD_CHANNELS:
                        raise
                    stream = self._stream_with(portaudio, device, 2)
                hold(self)
        except (portaudio.PortAudioError, ValueError) as error:
            raise self._why(portaudio, error) from None
        slow = any(name in about["name"].casefold() for name in _SLOW_START)
        self._silence = round((_SLOW_LEAD_IN if slow else _LEAD_IN) * self._rate)
        self._delay = stream.latency
        return stream

    def _stream_with(self, portaudio: Any, device: str | int | None, channels: int) -> sounddevice.OutputStream:
        return portaudio.OutputStream(
            samplerate=self._rate, device=device, channels=channels, dtype="int16", latency=_LATENCY, callback=self._fill
        )

    def _why(self, portaudio: Any, error: Exception) -> AudioError:
        if not any(device["max_output_channels"] for device in portaudio.query_devices()):
            return AudioError("There is no loudspeaker", "plug one in; the replies are shown as text")
        if isinstance(error, ValueError) or (self._device and error_code(error) != TAKEN):
            return AudioError(f"There is no loudspeaker {self._device!r}", f"`otto devices` lists them; choose one with: {_SETTING}")
        if error_code(error) == TAKEN:
            return AudioError("The loudspeaker is taken by another program", f"close that one, or choose another with: {_SETTING}")
        return AudioError(f"The loudspeaker cannot be opened ({error.args[0]})", f"choose another with: {_SETTING}")

    def _broken(self) -> bool:
        """Whether the device has gone while it was playing."""
        stream = self._stream
        if stream is None or stream.stopped:
            return False
        return not stream.active or time.monotonic() - self._asked > _STALLED

    def _close(self) -> None:
        with self._lock:
            if self._closer is not None:
                self._closer.cancel()
            stream, self._stream = self._stream, None
            self._queue, self._until = deque(), 0.0
            if stream is not None:
                with LOCK:
                    let_go(self)
                    close_stream(stream)

    def _close_later(self) -> None:
        """Let the device go when it has been idle for a while."""
        if self._closer is not None:
            self._closer.cancel()
        self._closer = threading.Timer(_IDLE, self._close_if_idle)
        self._closer.daemon = True
        self._closer.start()

    def _close_if_idle(self) -> None:
        with self._lock:
            if self.busy or time.monotonic() - self._until < _IDLE:
                self._close_later()
            else:
                self._close()

    def _fill(self, block: Any, frames: int, when: Any, status: Any) -> None:
        """Called by PortAudio's own thread: `block` is int16[frames, channels] to be filled. Waits for nothing."""
        now = time.monotonic()
        delay = when.outputBufferDacTime - when.currentTime
        rate, queue = self._rate, self._queue  # `stop` puts another queue in its place
        if status.output_underflow:
            self._ran_dry(queue)
        sounds = self._smoothed(now + (delay if 0.0 < delay < 2.0 else self._delay), frames)  # some hosts leave the times at 0
        at = min(self._silence, frames)
        self._silence -= at
        block[:at] = 0
        while at < frames and queue:
            item = queue[0]
            if item.taken == 0:
                item.began = sounds + at / rate if self._gap else self._until
                self._gap = False
                self._played.append(item)
            part = item.samples[item.taken : item.taken + frames - at]
            block[at : at + len(part), :] = part[:, None]
            item.taken += len(part)
            at += len(part)
            if item.taken >= len(item.samples):
                self._until = item.began + len(item.samples) / rate
                queue.popleft()
        block[at:] = 0
        self._gap = self._gap or at < frames
        self._asked = now

    def _ran_dry(self, queue: deque[_Item]) -> None:
        """There was silence that nobody ordered: what is left of the sound comes later, as one of its own."""
        self.underflows += 1
        self._gap, self._given, self._origin = True, 0, 0.0
        if queue and queue[0].taken:
            item = queue[0]
            item.ended = item.began + item.taken / self._rate
            queue[0] = _Item(item.samples[item.taken :], item.reference[item.taken * SAMPLE_RATE // self._rate :])

    def _smoothed(self, sounds: float, frames: int) -> float:
        """When a block sounds, by the samples that were given before it: the device's own word is off by some milliseconds each time."""
        given = self._given / self._rate
        off = sounds - given - self._origin
        self._origin += off if abs(off) > _CLOCK_JUMP else off * _CLOCK_PULL
        self._given += frames
        return self._origin + given
