"""Whether a phrase was said, by how it compares with the free text; and whether the free text is any speech at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from otto.stt.search import Reading, Sentence

# A logistic regression of whether the phrase is what was meant: coffee orders said by people, clean and at 6 dB, under their own grammar and under
# that of the bundled skills; training examples of the bundled skills and of stray talk said by synthetic voices, clean and in noise. Half of the
# people were left out (tests/measure_barista.py measures on them).
WEIGHTS = {"ratio": 0.12, "rate": 2.4, "likeness": 4.0, "coverage": 2.3}
BIAS = -2.4

_DOUBT = 0.3  # mean likelihood of a token below which nothing was understood


@dataclass(frozen=True)
class Agreement:
    """How a phrase and the free text of one sound compare."""

    ratio: float  # log likelihood ratio of phrase to free text, at most 0
    rate: float  # the same for each letter of the free text
    likeness: float  # of their letters, 0 to 1
    coverage: float  # letters of the phrase for one of the free text, at most 1

    @classmethod
    def of(cls, sentence: Sentence, free: Reading, text: str) -> Agreement:
        from rapidfuzz.distance import Levenshtein

        said, heard = _letters(sentence.written), _letters(text)
        likeness = Levenshtein.normalized_similarity(said, heard)
        ratio, length = min(sentence.likelihood - free.likelihood, 0.0), max(1, len(heard))
        return cls(ratio, ratio / length, likeness, min(1.0, len(said) / length))

    @property
    def confidence(self) -> float:
        """The probability that the phrase was said, 0 to 1."""
        score = BIAS + sum(weight * getattr(self, name) for name, weight in WEIGHTS.items())
        return 1 / (1 + math.exp(-max(min(score, 40.0), -40.0)))


def confidence_of(free: Reading) -> float:
    """The probability that a token of the free text is right, 0 to 1."""
    return math.exp(free.likelihood / max(1, len(free.likelihoods)))


def garbled(free: Reading) -> bool:
    """Whether the free text is what the model makes of noise: unlikely, or going round in a circle."""
    return confidence_of(free) < _DOUBT or _circles(free.tokens)


def _circles(tokens: tuple[int, ...]) -> bool:
    """Whether two tokens in a row come a fourth time."""
    pairs = list(pairwise(tokens))
    return any(pairs.count(pair) > 3 for pair in set(pairs))


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
