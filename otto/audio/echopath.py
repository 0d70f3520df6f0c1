"""The way from the loudspeaker to the microphone: how long it takes, and what it does to the sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from otto.messages import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy.typing as npt

    Signal = npt.NDArray[np.float64]  # samples from -1 to 1, 16 kHz mono
    Spectrum = npt.NDArray[np.complex128]

LONGEST_DELAY = 9_600  # samples, 0.6 s
_SPAN = 8_192  # samples of the microphone that are compared with the reference, 0.5 s
_FFT = 32_768  # more than the span, twice, and the longest delay
_VOICE = (200.0, 4_000.0)  # Hz, that are compared
_SURE = 12.0  # standard deviations of a peak that is no accident
_SAME = 8  # samples by which two looks at one delay may differ
_AGREED = 2  # looks, one after another, that must find the same as the one before them
_LOOK_OFTEN, _LOOK = 4, 8  # frames between two looks: until it is sure, and after


class Delay:
    """Finds how many samples after the reference the microphone hears it, by generalised cross-correlation with phase transform.

    Knapp and Carter, "The generalized correlation method for estimation of time delay", IEEE TASSP 24 (1976).
    """

    def __init__(self) -> None:
        self.samples: int | None = None  # None until it is known
        self.sure = False  # whether it was found in what is being played now
        self._heard: Signal = np.zeros(_SPAN)
        self._played: Signal = np.zeros(_SPAN + LONGEST_DELAY)
        self._likely: Signal = np.zeros(LONGEST_DELAY)
        self._candidate: int | None = None
        self._agreed = 0  # looks that found the same as the one before
        self._frames = 0
        frequencies = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
        self._band = (frequencies > _VOICE[0]) & (frequencies < _VOICE[1])

    def doubt(self) -> None:
        """Something new is played: it may take another time."""
        self.sure, self._candidate, self._agreed = False, None, 0
        self._likely[:] = 0

    def push(self, heard: Signal, played: Signal, look: bool) -> None:
        """Take a frame of each; `look` is false where nothing is played that could be found."""
        self._heard = np.concatenate([self._heard[len(heard) :], heard])
        self._played = np.concatenate([self._played[len(played) :], played])
        self._frames += 1
        if not look or self._frames % (_LOOK if self.sure else _LOOK_OFTEN):
            return
        cross = np.fft.rfft(self._heard, _FFT) * np.conj(np.fft.rfft(self._played, _FFT))
        cross *= self._band / (np.abs(cross) + 1e-9)
        self._likely = 0.7 * self._likely + np.roll(np.fft.irfft(cross), LONGEST_DELAY)[:LONGEST_DELAY]
        best = int(self._likely.argmax())
        if self._likely[best] > _SURE * self._likely.std():
            same = self._candidate is not None and abs(best - self._candidate) <= _SAME
            self._agreed = self._agreed + 1 if same else 0
            if self._agreed >= _AGREED:
                self.samples, self.sure = best, True
            self._candidate = best


class EchoPath:
    """In each band of a short-time Fourier transform a filter of a few frames, found by recursive least squares.

    It is found within half a second, where adaptive filters of the gradient kind (NLMS, and the frequency-domain Kalman filter) took
    several on speech. The bands apart: Avargel and Cohen, "System identification in the short-time Fourier transform domain with crossband
    filtering", IEEE TASLP 15 (2007). Weighting by the error's power keeps somebody who speaks over the echo from being learned: Yoshioka
    and Nakatani, "Generalization of multi-channel linear prediction methods for blind MIMO impulse response shortening", IEEE TASLP 20 (2012).

    Args:
        bands: how many.
        frames: the filter's length.
    """

    def __init__(self, bands: int, frames: int = 10) -> None:
        self._played: Spectrum = np.zeros((bands, frames), np.complex128)
        self._power = np.full(bands, _LEAST_POWER)
        self._eye = np.eye(frames, dtype=np.complex128)
        self.forget()

    def forget(self) -> None:
        """The way has changed: begin anew."""
        self._filter: Spectrum = np.zeros_like(self._played)
        self._inverse: Spectrum = np.tile(self._eye, (len(self._power), 1, 1))

    def push(self, heard: Spectrum, played: Spectrum) -> tuple[Spectrum, Spectrum]:
        """Take a frame of both, (bands,) each; return what is left of it without the echo, and the echo."""
        self._played = np.roll(self._played, 1, axis=1)
        self._played[:, 0] = played
        left = heard - (self._filter * self._played).sum(axis=1)
        self._power = 0.5 * self._power + 0.5 * np.maximum(np.abs(left) ** 2, _LEAST_POWER)
        towards = (self._inverse @ self._played.conj()[:, :, None])[:, :, 0]
        gain = towards / (_KEPT * self._power + (self._played * towards).sum(axis=1).real)[:, None]
        self._filter = self._filter + gain * left[:, None]
        self._learn(towards, gain)
        return left, (self._filter * self._played).sum(axis=1)

    def _learn(self, towards: Spectrum, gain: Spectrum) -> None:
        """Take the frame into the inverse correlation of what is played, and keep that from growing numerically wrong.

        An error in its symmetry grows with all that is forgotten, to any size in five minutes; and where nothing is played, so does all of it.
        Both: Verhaegen, "Round-off error propagation in four generally-applicable, recursive, least-squares estimation schemes",
        Automatica 25 (1989).
        """
        inverse = (self._inverse - gain[:, :, None] * towards.conj()[:, None, :]) / _KEPT
        inverse = 0.5 * (inverse + inverse.conj().transpose(0, 2, 1))
        self._inverse = inverse * np.minimum(1.0, _MOST / np.trace(inverse, axis1=1, axis2=2).real)[:, None, None]


_KEPT = 0.998  # of what is known, from one frame (8 ms) to the next
_LEAST_POWER = 1e-6
_MOST = 100.0  # trace of a band's inverse correlation
