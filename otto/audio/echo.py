"""Otto does not hear itself: what the loudspeaker plays is taken out of what the microphone hears."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from otto.audio.echopath import LONGEST_DELAY, Delay, EchoPath
from otto.messages import SAMPLE_RATE, AudioFrame

if TYPE_CHECKING:
    import numpy.typing as npt

    from otto.audio.echopath import Signal, Spectrum
    from otto.messages import Samples

    Powers = npt.NDArray[np.float64]  # one a group of bands

_WINDOW, _HOP = 512, 128  # samples of the Fourier transform, 32 ms, and from one to the next, 8 ms
LATENCY = (_WINDOW - _HOP) / SAMPLE_RATE  # seconds by which clean sound comes later
_AHEAD = 0.05  # seconds by which the reference is taken early: the two clocks differ
_TAIL = 25  # frames of 32 ms after the last sound in which its echo may still be heard
_AUDIBLE = 1e-7  # mean square of a frame that is no silence
_ABSENT = 40  # frames of sound without an echo after which there is none: the listener wears headphones
_PAST = 64  # hops that are gone over once the echo is found
_JUMP = 64  # samples of change in the delay after which the filter is of no use
_EARLY = 2 * _HOP - 32  # samples by which the filter begins before the echo

# Hz; groups as wide as those of the ear
_EDGES = (150, 300, 450, 600, 800, 1000, 1250, 1500, 1800, 2150, 2550, 3000, 3500, 4100, 4800, 5600, 6600)
_BINS = np.round(np.array(_EDGES) * _WINDOW / SAMPLE_RATE).astype(int)
_USED = slice(int(_BINS[0]), int(_BINS[-1]))

_OVER_ECHO, _OVER_NOISE = 4.0, 4.0  # times the expected power that is somebody else's
_SHARE = 0.3  # of the groups that must have it
_SURE = 5  # hops in which they must, to open
_HOLD = 40  # hops that it stays open after the last of them


class EchoCanceller:
    """Cleans the microphone's frames while something is played; at other times they pass, later by `LATENCY`.

    The echo is subtracted as far as its way is known (`EchoPath`). What is left of it is compared with what is to be expected: where it is no
    more, the frame is silenced, as it holds nobody's voice but Otto's; where it is more, somebody speaks, and the rest is damped band by band.

    Args:
        reference: what sounds between two times of `clock`, int16[n], 16 kHz mono: `Speaker.reference`.
        clock: seconds.
    """

    def __init__(self, reference: Callable[[float, float], Samples], clock: Callable[[], float] = time.monotonic) -> None:
        self._reference = reference
        self._clock = clock
        self._begin: float | None = None  # by the clock, when the microphone's time was 0
        self._last = 0.0
        self._delay = Delay()
        self._shift: int | None = None  # samples: the delay that the filter is made for
        self._path = EchoPath(_USED.stop - _USED.start)
        self._window = np.sqrt(np.hanning(_WINDOW + 1)[:-1])
        self._heard: Signal = np.zeros(_WINDOW)
        self._played: Signal = np.zeros(LONGEST_DELAY + _PAST * _HOP + 4 * _WINDOW)
        self._past: deque[Spectrum] = deque(maxlen=_PAST)  # what was heard of this reply while its echo was looked for
        self._out: Signal = np.zeros(_WINDOW)
        self._tail = 0  # frames in which an echo may still be heard
        self._sought = 0  # frames of sound in which its echo was looked for and not found
        self._absent = False  # whether what is played is not heard at all
        self._rest = _Rest()

    @property
    def is_echo(self) -> bool:
        """Whether the last frame held nothing but what is being played."""
        return self._tail > 0 and not self._rest.open and not self._absent

    def clean(self, frame: AudioFrame) -> AudioFrame:
        """The microphone's next frame, any multiple of 128 samples, without what is being played."""
        start = self._started(frame)
        played = self._reference(start + _AHEAD, start + _AHEAD + len(frame.samples) / SAMPLE_RATE)
        clean = self.cancel(frame.samples, played)
        return AudioFrame(clean, frame.start - LATENCY)

    def cancel(self, heard: Samples, played: Samples) -> Samples:
        """The same for one who knows what was played meanwhile: int16[n] each, n a multiple of 128."""
        now, sound = heard / 32768.0, played / 32768.0
        self._played = np.concatenate([self._played[len(sound) :], sound])
        self._follow(now, sound)
        parts = []
        for at in range(0, len(now), _HOP):
            self._heard = np.concatenate([self._heard[_HOP:], now[at : at + _HOP]])
            spectrum = np.fft.rfft(self._heard * self._window)
            if self._tail:
                spectrum = self._without_echo(spectrum, len(now) - at - _HOP)
            else:
                self._rest.listen(spectrum[_USED])
            self._out = np.concatenate([self._out[_HOP:], np.zeros(_HOP)])
            self._out += np.fft.irfft(spectrum) * self._window * (2 * _HOP / _WINDOW)
            parts.append(self._out[:_HOP].copy())
        return np.clip(np.concatenate(parts) * 32768.0, -32768, 32767).astype(np.int16)

    def _started(self, frame: AudioFrame) -> float:
        """By the clock, when the frame began. Frames may arrive late, never early, so the earliest is right; it is not changed in a reply."""
        begin = self._clock() - frame.start - len(frame.samples) / SAMPLE_RATE
        if self._begin is None or frame.start < self._last:
            self._begin = begin
        elif not self._tail:
            self._begin = min(self._begin, begin)
        self._last = frame.start
        return self._begin + frame.start

    def _follow(self, heard: Signal, played: Signal) -> None:
        """Whether anything is played, and how late it is heard."""
        if np.mean(played**2) > _AUDIBLE:
            if not self._tail:  # a reply begins; its device may have been opened anew
                self._rest.doubt()
                self._delay.doubt()
                self._past.clear()
                self._sought = 0
            self._tail = _TAIL
            self._sought += 1
        else:
            self._tail = max(0, self._tail - 1)
        was_sure = self._delay.sure
        self._delay.push(heard, played, self._tail > 0)
        if self._delay.sure:
            self._absent = False
            self._take_up(len(played), was_sure)
        elif self._sought > _ABSENT:
            self._absent = True

    def _take_up(self, new: int, was_sure: bool) -> None:
        """Set the filter to the delay that was found; `new` samples have been played since the last window."""
        moved = self._shift is None or abs((self._delay.samples or 0) - self._shift) > _JUMP
        self._shift = self._delay.samples
        if moved:
            self._path.forget()
            self._rest.doubt()
        if moved or not was_sure:  # learn from what has been heard in the meantime
            for ago, heard in zip(range(len(self._past) - 1, -1, -1), self._past, strict=True):
                self._rest.gains(*self._path.push(heard, self._played_at(new + ago * _HOP)))

    def _without_echo(self, heard: Spectrum, back: int) -> Spectrum:
        """The spectrum of a window that ended `back` samples ago. Until the echo is found or known to be absent, nobody is heard."""
        self._past.append(heard[_USED])
        if self._absent:
            return heard
        clean: Spectrum = np.zeros_like(heard)
        if self._delay.sure:
            left, echo = self._path.push(heard[_USED], self._played_at(back))
            clean[_USED] = left * self._rest.gains(left, echo)
        return clean

    def _played_at(self, back: int) -> Spectrum:
        """What is to be heard in the window that ended `back` samples ago."""
        end = len(self._played) - back - max(0, (self._shift or 0) - _EARLY)
        return np.fft.rfft(self._played[end - _WINDOW : end] * self._window)[_USED]


class _Rest:
    """Tells what is left of an echo from somebody who speaks, by their powers in groups of bands."""

    def __init__(self) -> None:
        groups = len(_BINS) - 1
        self._group = np.repeat(np.arange(groups), np.diff(_BINS))
        self._floor: Powers = np.full(groups, 1e-4)  # power of the room's own noise
        self._slow: Powers = self._floor.copy()
        self._echo: Powers = np.zeros(groups)
        self._left: Powers = np.zeros(groups)
        self._expected: Powers = np.zeros(groups)  # power of what is left of the echo
        self._open = self._hits = 0  # hops
        self.doubt()

    @property
    def open(self) -> bool:
        """Whether somebody speaks."""
        return self._open > 0

    def doubt(self) -> None:
        """How much of the echo is left may be all of it, until it is seen to be less."""
        self._leak: Powers = np.ones(len(self._floor))
        self._seen = 0
        self._open = self._hits = 0

    def listen(self, spectrum: Spectrum) -> None:
        """Learn the room's noise: it is the least that is heard."""
        self._learn_floor(self._powers(spectrum))

    def gains(self, left: Spectrum, echo: Spectrum) -> Powers:
        """How much of each band is to be kept: nothing where there is nobody."""
        power = self._powers(left)
        self._learn_floor(power)
        self._left = 0.6 * self._left + 0.4 * power
        self._echo = 0.6 * self._echo + 0.4 * self._powers(echo)
        self._learn_leak()
        self._expected = np.maximum(0.85 * self._expected, self._leak * self._echo)  # a room's echo dies slowly
        over = self._left / (_OVER_ECHO * self._expected + _OVER_NOISE * self._floor + 1e-8)
        self._decide(float(np.mean(over > 1)))
        if not self._open:
            return np.zeros(len(left))
        kept: Powers = np.maximum(1 - 1 / np.maximum(over, 1e-3), 0.05)[self._group]
        return kept

    def _learn_leak(self) -> None:
        """Follow the median of what is left of the echo: quickly at first, upwards slowly while somebody speaks."""
        loud = self._echo > 10 * self._floor
        ratio = self._left / (self._echo + 1e-12)
        self._seen += bool(loud.mean() > 0.3)
        down = 0.98 if self._seen > 60 else 0.95
        up = 1.002 if self._open else 1.02
        moved = np.where(ratio > self._leak, self._leak * up, np.maximum(self._leak * down, ratio))
        self._leak = np.where(loud, np.clip(moved, 1e-3, 2.0), self._leak)

    def _decide(self, share: float) -> None:
        self._hits = min(self._hits + 1, _SURE + 4) if share > _SHARE else max(0, self._hits - 1)
        self._open = _HOLD if self._hits >= _SURE else max(0, self._open - 1)

    def _learn_floor(self, power: Powers) -> None:
        self._slow = 0.9 * self._slow + 0.1 * power
        self._floor = np.minimum(self._floor * 1.004, self._slow)

    def _powers(self, spectrum: Spectrum) -> Powers:
        powers: Powers = np.bincount(self._group, np.abs(spectrum) ** 2) / np.diff(_BINS)
        return powers
