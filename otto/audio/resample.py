"""Any sound to what the rest of otto takes: 16 kHz mono int16, in frames of 512 samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from otto.messages import SAMPLE_RATE, AudioFrame

if TYPE_CHECKING:
    import av

    from otto.messages import Samples

FRAME = 512  # samples, 32 ms: what the voice activity detector takes in one call


class FrameCutter:
    """Cuts a stream of samples of any lengths into frames of 512; keeps the rest for the next call."""

    def __init__(self) -> None:
        self._rest: Samples = np.zeros(0, np.int16)
        self._seen = 0

    def push(self, samples: Samples) -> Iterator[AudioFrame]:
        """Yield the frames that `samples` (int16[n], 16 kHz) complete."""
        waiting: Samples = np.concatenate([self._rest, samples])
        whole = len(waiting) // FRAME * FRAME
        self._rest = waiting[whole:]
        for start in range(0, whole, FRAME):
            yield AudioFrame(waiting[start : start + FRAME], self._seen / SAMPLE_RATE)
            self._seen += FRAME

    def skip(self, samples: int) -> None:
        """So many samples were lost: what is left of those before them goes too, and the next frame starts that much later."""
        self._seen += len(self._rest) + samples
        self._rest = self._rest[:0]

    def flush(self) -> Iterator[AudioFrame]:
        """Yield what is left, a frame shorter than the others."""
        if len(self._rest):
            yield AudioFrame(self._rest, self._seen / SAMPLE_RATE)
            self._seen += len(self._rest)
            self._rest = self._rest[:0]


class Resampler:
    """PyAV's resampler with int16 arrays out, mono, at `rate` Hz."""

    def __init__(self, rate: int = SAMPLE_RATE) -> None:
        import av

        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)

    def push(self, frame: av.AudioFrame | None) -> Samples:
        """Sound of any rate, layout and format to int16[n] mono; None empties the filter at the end."""
        parts = [part.to_ndarray().reshape(-1) for part in self._resampler.resample(frame)]
        return np.concatenate(parts).astype(np.int16, copy=False) if parts else np.zeros(0, np.int16)


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """A whole sound, int16[n] mono at `rate` Hz, at another rate."""
    if rate == wanted or not len(samples):
        return samples
    import av

    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = Resampler(wanted)
    return np.concatenate([resampler.push(frame), resampler.push(None)])
