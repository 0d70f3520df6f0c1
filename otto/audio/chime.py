"""Short sounds that tell what Otto does, made here: rising for listening, falling for going away."""

from __future__ import annotations

from functools import cache

import numpy as np

from otto.messages import Sound

RATE = 48_000  # Hz
_LOUDNESS = 0.2  # of the loudest that there is: beside speech, not over it
_ATTACK, _DECAY = 0.008, 0.09  # seconds: a struck bar, which begins without a click

# For each, its notes: Hz, and seconds until the next one begins.
CHIMES = {
    "wake": ((659.3, 0.09), (987.8, 0.22)),  # E5 B5
    "done": ((784.0, 0.08), (1046.5, 0.2)),  # G5 C6
    "error": ((392.0, 0.12), (311.1, 0.28)),  # G4 E flat 4
    "sleep": ((880.0, 0.11), (659.3, 0.11), (440.0, 0.28)),  # A5 E5 A4
}


@cache
def chime(name: str) -> Sound:
    """The chime of that name, one of CHIMES. It is the same each time."""
    notes = CHIMES[name]
    starts = np.cumsum([0.0, *(seconds for _, seconds in notes)])
    samples = np.zeros(round(starts[-1] * RATE))
    for (pitch, _), start in zip(notes, starts, strict=False):
        first = round(start * RATE)
        times = np.arange(len(samples) - first) / RATE
        bar = np.sin(2 * np.pi * pitch * times) + 0.25 * np.sin(4 * np.pi * pitch * times)
        samples[first:] += bar * np.minimum(times / _ATTACK, 1) * np.exp(-times / _DECAY)
    fade = round(0.02 * RATE)
    samples[-fade:] *= np.linspace(1, 0, fade)
    return Sound((samples / np.abs(samples).max() * _LOUDNESS * 32767).astype(np.int16), RATE)
