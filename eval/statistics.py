"""Rates with their 95 % intervals, comparisons and calibration. Pure functions: lists in, numbers out.

A simple rate has the Wilson score interval (Wilson 1927). Where cases belong together (one template, one voice) they do not count
as that many: whole groups are resampled (cluster bootstrap, percentile interval), and so are ratios of sums such as F1. A bootstrap of nothing but
successes, or nothing but failures, knows no doubt: such an interval is taken from Wilson's for as many trials as there are groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution
RESAMPLES = 1000
SEED = 20260101  # of every bootstrap: the same results have the same intervals
BINS = 10  # of the calibration, equally wide (Guo et al. 2017)
POINTS = 100  # of the risk-coverage curve, at most
_CHUNK = 50  # resamples drawn at a time: 10,000 cases are 4 MB then


@dataclass(frozen=True)
class Rate:
    """A share of `n` with its 95 % interval; None throughout where `n` is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """As summary.json holds it."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True)
class Difference:
    """B minus A with its 95 % interval, in the units of the values."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bin:
    """The cases whose confidence lies from `low` to below `high`; the means are None where there are none."""

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    n: int


def wilson(count: int, n: int) -> Rate:
    """`count` of `n` with the Wilson score interval."""
    if not n:
        return Rate(None, None, None, 0)
    share = count / n
    middle = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    whole = 1 + Z * Z / n
    # At the ends the bound is 0 or 1 itself, but for rounding.
    low = 0.0 if count == 0 else (middle - half) / whole
    high = 1.0 if count == n else (middle + half) / whole
    return Rate(share, low, high, n)


def rate(hits: Sequence[bool], groups: Sequence[str] = ()) -> Rate:
    """The share of hits. `groups` names what each case belongs to; "" is on its own."""
    count = sum(hits)
    numbers = _numbered(groups, len(hits))
    if len(set(numbers)) == len(hits):
        return wilson(count, len(hits))
    return ratio(hits, [1.0] * len(hits), groups)


def ratio(parts: Sequence[float], wholes: Sequence[float], groups: Sequence[str] = ()) -> Rate:
    """sum(parts) / sum(wholes) with a bootstrap over cases or their groups; `n` is the number of cases. Each part is at most its whole."""
    return ratios([(parts, wholes)], groups)[0]


def ratios(pairs: Sequence[tuple[Sequence[float], Sequence[float]]], groups: Sequence[str] = ()) -> list[Rate]:
    """As `ratio`, of several pairs over the same cases, resampled together."""
    import numpy as np

    n = len(pairs[0][0])
    if not n:
        return [Rate(None, None, None, 0) for _ in pairs]
    sums = _group_sums([column for pair in pairs for column in pair], _numbered(groups, n))
    drawn = _resampled_sums(sums)
    found = []
    for index in range(len(pairs)):
        part, whole = (float(sums[:, 2 * index + place].sum()) for place in (0, 1))
        if not whole:
            found.append(Rate(None, None, None, 0))
        elif part in (0, whole):
            informative = int((sums[:, 2 * index + 1] > 0).sum())
            certain = wilson(informative if part else 0, informative)
            found.append(Rate(part / whole, certain.low, certain.high, n))
        else:
            some = drawn[drawn[:, 2 * index + 1] > 0]
            low, high = np.percentile(some[:, 2 * index] / some[:, 2 * index + 1], [2.5, 97.5])
            found.append(Rate(part / whole, min(float(low), part / whole), max(float(high), part / whole), n))
    return found


def bootstrap_f1(tp: Sequence[int], fp: Sequence[int], fn: Sequence[int], groups: Sequence[str] = ()) -> tuple[Rate, Rate, Rate]:
    """Micro-averaged precision, recall and F1 of counts a case. `n` is the number of cases."""
    precision, recall, f1 = ratios(
        [
            (tp, [right + wrong for right, wrong in zip(tp, fp, strict=True)]),
            (tp, [right + missed for right, missed in zip(tp, fn, strict=True)]),
            ([2 * right for right in tp], [2 * right + wrong + missed for right, wrong, missed in zip(tp, fp, fn, strict=True)]),
        ],
        groups,
    )
    return precision, recall, f1


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """The two-sided p value of McNemar's exact test: cases that only A, and only B, has right (McNemar 1947)."""
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def paired_bootstrap(a: Sequence[float], b: Sequence[float], groups: Sequence[str] = ()) -> Difference:
    """mean(b) - mean(a) of the same cases, resampled in pairs, or in groups of pairs. Raises ValueError where there are none."""
    import numpy as np

    if not a:
        raise ValueError("a comparison needs cases")
    differences = [right - left for left, right in zip(a, b, strict=True)]
    sums = _group_sums([differences, [1.0] * len(a)], _numbered(groups, len(a)))
    drawn = _resampled_sums(sums)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return Difference(sum(differences) / len(a), float(low), float(high))


def paired_ratios(
    a_parts: Sequence[float], a_wholes: Sequence[float], b_parts: Sequence[float], b_wholes: Sequence[float], groups: Sequence[str] = ()
) -> Difference:
    """sum(b_parts) / sum(b_wholes) less the same of A, resampled in pairs, or in groups of pairs. Raises ValueError where a whole is empty."""
    import numpy as np

    if not sum(a_wholes) or not sum(b_wholes):
        raise ValueError("a comparison of ratios needs wholes")
    sums = _group_sums([a_parts, a_wholes, b_parts, b_wholes], _numbered(groups, len(a_parts)))
    drawn = _resampled_sums(sums)
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    low, high = np.percentile(drawn[:, 2] / drawn[:, 3] - drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return Difference(sum(b_parts) / sum(b_wholes) - sum(a_parts) / sum(a_wholes), float(low), float(high))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values of tests that are looked at together, corrected by Holm's step-down method (Holm 1979), in their order."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def calibration_bins(confidences: Sequence[float], correct: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """Equally wide bins of confidence, from 0 to 1; a confidence of 1 is in the last."""
    found: list[list[int]] = [[] for _ in range(bins)]
    for index, confidence in enumerate(confidences):
        found[min(int(confidence * bins), bins - 1)].append(index)
    return [
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            confidence=_mean(confidences[index] for index in members),
            accuracy=_mean(correct[index] for index in members),
            n=len(members),
        )
        for number, members in enumerate(found)
    ]


def expected_calibration_error(confidences: Sequence[float], correct: Sequence[bool], groups: Sequence[str] = (), bins: int = BINS) -> Rate:
    """The mean distance between confidence and accuracy over equally wide bins, weighted by their cases (Naeini et al. 2015).

    The error of a resample is biased upwards; where the percentile interval lies above the value, it is widened down to it. Where every resample has
    the same error, as where all are right with one confidence, the interval is as wide as Wilson's for as many trials as there are groups.
    """
    import numpy as np

    n = len(confidences)
    if not n:
        return Rate(None, None, None, 0)
    gaps = np.asarray(confidences, float) - np.asarray(correct, float)
    numbers = np.minimum((np.asarray(confidences) * bins).astype(int), bins - 1)
    columns = [np.where(numbers == number, gaps, 0.0) for number in range(bins)]
    sums = _group_sums([*columns, np.ones(n)], _numbered(groups, n))
    drawn = _resampled_sums(sums)
    errors = np.abs(drawn[:, :-1]).sum(1) / drawn[:, -1]
    value = float(np.abs(sums[:, :-1].sum(0)).sum() / n)
    if np.ptp(errors) < 1e-12:
        certain = wilson(len(sums), len(sums))
        doubt = 1 - (certain.low or 0.0)
        return Rate(value, max(0.0, value - doubt), min(1.0, value + doubt), n)
    low, high = np.percentile(errors, [2.5, 97.5])
    return Rate(value, min(float(low), value), min(1.0, max(float(high), value)), n)


def risk_coverage(confidences: Sequence[float], correct: Sequence[bool], points: int = POINTS) -> list[tuple[float, float]]:
    """(coverage, risk): the share of cases answered, most confident first, and the share of these that is wrong (El-Yaniv and Wiener 2010).

    Cases of one confidence are answered together, since no threshold parts them.
    """
    order = sorted(range(len(confidences)), key=lambda index: -confidences[index])
    found = []
    wrong = 0
    for count, index in enumerate(order, 1):
        wrong += not correct[index]
        if count == len(order) or confidences[order[count]] < confidences[index]:
            found.append((count / len(order), wrong / count))
    if len(found) <= points:
        return found
    return [found[round(place * (len(found) - 1) / (points - 1))] for place in range(points)]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of the values (0 to 1) do not exceed, interpolated; None of none."""
    import numpy as np

    return float(np.percentile(values, share * 100)) if values else None


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _numbered(groups: Sequence[str], n: int) -> list[int]:
    """A number a group; cases without one have a number each."""
    known: dict[str | int, int] = {}
    return [known.setdefault(group or index, len(known)) for index, group in enumerate(groups or [""] * n)]


def _group_sums(columns: Sequence[Sequence[float] | Floats], numbers: Sequence[int]) -> Floats:
    """The sum of each column in each group: float64[groups, columns]."""
    import numpy as np

    return np.stack([np.bincount(numbers, weights=np.asarray(column, float)) for column in columns], axis=1)


def _resampled_sums(sums: Floats) -> Floats:
    """The sums of each column over as many groups, drawn with replacement: float64[RESAMPLES, columns]."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    groups = len(sums)
    chunks = []
    for start in range(0, RESAMPLES, _CHUNK):
        count = min(_CHUNK, RESAMPLES - start)
        drawn = rng.integers(0, groups, (count, groups), dtype=np.int32)
        weights = np.stack([np.bincount(row, minlength=groups) for row in drawn])  # how often each group was drawn
        chunks.append(weights @ sums)
    return np.concatenate(chunks)
