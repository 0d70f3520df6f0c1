"""Noise mixed into speech at a signal-to-noise ratio that is exact over the speech.

**The ratio** is 20 log10(S / N) dB: S is the root mean square of the speech over its active part, N that of the noise over the very same samples.
Active is each frame of 32 ms in which the voice activity detection of the runtime sees speech; in a recording without any, all of it. Pauses
count for nothing, so that a long one does not make the noise quieter. Where the sum would clip, speech and noise are made quieter
together, which leaves the ratio as it is.

Picovoice's benchmark (https://github.com/Picovoice/speech-to-intent-benchmark, benchmark/mixer.py) compares the loudest frames of the two
instead: at one figure in dB its mixtures and these differ by some decibels.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otto.errors import AudioError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from otto.messages import Samples

    Mask = npt.NDArray[np.bool_]

CLEAN = "clean"  # in a list of decibels: without noise
LOUDEST, QUIETEST = -30.0, 80.0  # dB: beyond it one of the two cannot be heard in 16 bits
_PEAK = 32767
_SPEECH = 0.5  # probability from which a frame is speech
_DRAWS = 50  # of a stretch of noise that is not silent


@dataclass(frozen=True)
class Mixed:
    """Speech with noise, and how it was made: `samples` are `scale` times the speech and `gain` times the noise, rounded."""

    samples: Samples  # int16[n], 16 kHz mono
    scale: float  # 1 where nothing would have clipped
    gain: float


def decibels(text: str) -> tuple[float | None, ...]:
    """A list such as "clean,24,12,6"; None is without noise. Raises UsageError."""
    found: list[float | None] = []
    for part in (part.strip() for part in text.split(",")):
        try:
            level = None if part == CLEAN else float(part)
        except ValueError:
            raise UsageError(f"--snr {text} is no list of decibels", "write it as clean,24,12,6") from None
        if level is not None and not LOUDEST <= level <= QUIETEST:
            raise UsageError(f"--snr {part} is out of range", f"give decibels from {LOUDEST:g} to {QUIETEST:g}")
        if level in found:
            raise UsageError(f"--snr names {part} twice", "name each level once")
        found.append(level)
    return tuple(found)


def read_samples(path: Path) -> Samples:
    """A whole sound file: int16[n], 16 kHz mono. Raises AudioError."""
    import numpy as np

    from otto.audio.file import read_audio

    return np.concatenate([frame.samples for frame in read_audio(path)])


def read_noise(path: Path) -> Samples:
    """A file of noise: int16[n]. Raises AudioError where it cannot be read, or is silent."""
    samples = read_samples(path)
    if not samples.any():
        raise AudioError(f"{path} is silent from beginning to end", "give a file with noise in it")
    return samples


def active_part(samples: Samples) -> Mask:
    """Where somebody speaks: bool[n], whole frames of 512 samples; everywhere, if nobody does."""
    import numpy as np

    from otto.audio.resample import FRAME
    from otto.audio.vad import open_detector

    detector = open_detector()
    frames = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
    speech = np.array([detector(frame.tobytes()) >= _SPEECH for frame in frames], bool)
    active = np.repeat(speech, FRAME)[: len(samples)]
    return active if active.any() else np.ones(len(samples), bool)


def excerpt(noise: Samples, active: Mask, seed: str) -> Samples:
    """A stretch of the noise, as long as the speech, from a place that the seed draws; at its end the noise begins anew.

    Raises:
        AudioError: there is no sound where the speech would be.
    """
    import numpy as np

    rng = random.Random(seed)
    for _ in range(_DRAWS):
        found: Samples = np.take(noise, np.arange(len(active)) + rng.randrange(len(noise)), mode="wrap")
        if found[active].any():
            return found
    raise AudioError("The noise is silent nearly everywhere", "give a file with more noise in it")


def mix(speech: Samples, noise: Samples, active: Mask, snr: float) -> Mixed:
    """Speech and as many samples of noise, at a ratio over the active part in dB. Raises AudioError where one of them is silent there."""
    import numpy as np

    signal, background = rms(speech[active]), rms(noise[active])
    if not signal or not background:
        raise AudioError(f"The {'noise' if signal else 'recording'} is silent where somebody should speak", "leave it out")
    gain = signal / background / 10 ** (snr / 20)
    summed = speech + gain * noise.astype(np.float64)
    peak = float(np.abs(summed).max())
    scale = min(1.0, _PEAK / peak)
    return Mixed(np.rint(summed * scale).astype(np.int16), scale, gain * scale)


def rms(samples: Samples) -> float:
    """The root mean square, in units of a sample; 0 of nothing."""
    import numpy as np

    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
