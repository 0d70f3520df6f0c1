"""Scores of routers on sentences with their right calls: shares with 95 % Wilson intervals (Wilson 1927)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from otto.call import Call
from otto.skill import OTHER

Case = tuple[str, Call]


@dataclass(frozen=True)
class Share:
    """`count` of `n`."""

    count: int
    n: int

    @property
    def value(self) -> float:
        return self.count / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson score interval."""
        if not self.n:
            return 0.0, 1.0
        z = 1.959964
        middle = self.value + z * z / (2 * self.n)
        half = z * math.sqrt(self.value * (1 - self.value) / self.n + z * z / (4 * self.n * self.n))
        whole = 1 + z * z / self.n
        return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)

    def to_json(self) -> dict[str, float]:
        low, high = self.interval
        return {"value": round(self.value, 4), "low": round(low, 4), "high": round(high, 4), "n": self.n}


def score(cases: Sequence[Case], route: Callable[[str], Call]) -> dict[str, Any]:
    """Exact calls and missed calls of the commands, and false calls of the stray talk."""
    commands = [(gold, route(text)) for text, gold in cases if gold.name != OTHER]
    strays = [route(text) for text, gold in cases if gold.name == OTHER]
    return {
        "exact": Share(sum(call == gold for gold, call in commands), len(commands)).to_json(),
        "skill": Share(sum(call.name == gold.name for gold, call in commands), len(commands)).to_json(),
        "missed": Share(sum(call.name == OTHER for _, call in commands), len(commands)).to_json(),
        "false_calls": Share(sum(call.name != OTHER for call in strays), len(strays)).to_json(),
    }
