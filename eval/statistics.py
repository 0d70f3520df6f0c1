"""Rates with their 95 % intervals. Pure functions: lists in, numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution


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


def wilson(count: int, n: int) -> Rate:
    """`count` of `n` with the Wilson score interval (Wilson 1927)."""
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
