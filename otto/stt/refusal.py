"""Whether what the grammar heard was said at all: its sentence beside what a recogniser of bare speech sounds heard.

A grammar decoder finds the sentence that fits best, whatever was said. Made up, its sounds are other ones than those that were heard
without words, they fit the recording worse, and they leave out a part of the speech, which the decoder takes for silence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from otto.stt.sounds import likeness

# A logistic regression of coffee orders said by people under their own grammar against what the grammar of the bundled skills makes of
# the same recordings, fitted on half of the speakers; the bias keeps 98 % of the right orders of that half
# (tests/measure_barista.py measures all of them).
WEIGHTS = {"likeness": 19.9, "ratio": 4.48, "unexplained": -13.8}
BIAS = 0.6


@dataclass(frozen=True)
class Segment:
    """A stretch of a decoder's best path."""

    name: str  # a word with or without the number of its pronunciation, a sound, or a filler in brackets
    first: int  # frame of 10 ms
    last: int
    score: float  # acoustic, natural logarithm

    @property
    def is_speech(self) -> bool:
        return self.name != "SIL" and not self.name.startswith(("<", "[", "(", "+"))


@dataclass(frozen=True)
class Evidence:
    """How the two readings of one recording compare."""

    likeness: float  # of the sounds of the words to the sounds that were heard, 0 to 1
    ratio: float  # how much better the sounds fit than the words: log likelihood ratio, thousandths a frame, at most about 0
    unexplained: float  # share of the speech that the words leave out

    @classmethod
    def of(cls, words: Sequence[Segment], phones: Sequence[str], sounds: Sequence[Segment]) -> Evidence:
        """From both decoders' paths and the sounds of the words as they were pronounced."""
        heard = [sound for sound in sounds if sound.is_speech]
        spoken = _frames(heard)
        length = max((sound.last + 1 for sound in sounds), default=1)
        ratio = (sum(word.score for word in words) - sum(sound.score for sound in sounds)) * 1000 / length
        return cls(likeness(phones, [sound.name for sound in heard]), ratio, len(spoken - _frames(words)) / max(1, len(spoken)))

    @property
    def confidence(self) -> float:
        """The probability that the words were said, 0 to 1."""
        score = BIAS + sum(weight * getattr(self, name) for name, weight in WEIGHTS.items())
        return 1 / (1 + math.exp(-max(min(score, 40.0), -40.0)))


def _frames(segments: Sequence[Segment]) -> set[int]:
    return {frame for segment in segments if segment.is_speech for frame in range(segment.first, segment.last + 1)}
