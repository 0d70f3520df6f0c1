"""Word error: how many words are wrong, missing or too many, of those that were said, with a 95 % interval from resampled clips."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLED = 1000


@dataclass(frozen=True)
class WordError:
    """Wrong, missing and added words of `words` that were said in `n` clips."""

    errors: int
    words: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.errors / self.words

    def to_json(self) -> dict[str, float]:
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4), "n": self.n, "words": self.words}


def word_error(pairs: Sequence[tuple[str, str]]) -> WordError:
    """The word error of (said, heard) pairs, and its percentile bootstrap interval over clips (Bisani and Ney 2004). Raises ValueError for none."""
    from rapidfuzz.distance import Levenshtein

    if not pairs:
        raise ValueError("there is no clip")
    counts = [(Levenshtein.distance(said.split(), heard.split()), len(said.split())) for said, heard in pairs]
    rng = random.Random(0)
    drawn = sorted(_rate([rng.choice(counts) for _ in counts]) for _ in range(_RESAMPLED))
    low, high = drawn[int(0.025 * _RESAMPLED)], drawn[int(0.975 * _RESAMPLED)]
    return WordError(sum(wrong for wrong, _ in counts), sum(words for _, words in counts), len(counts), low, high)


def _rate(counts: Sequence[tuple[int, int]]) -> float:
    return sum(wrong for wrong, _ in counts) / max(1, sum(words for _, words in counts))
