"""`otto eval compare A B`: two runs over the same cases, case by case.

Cases are paired by id. A difference counts as shown where McNemar's exact test says so (p below 0.05) and the interval of the paired
bootstrap, which resamples whole groups, leaves zero out: the first guards against few cases, the second against cases that belong together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval import statistics
from eval.report import router_name
from eval.runs import Row, Run
from eval.scoring import skill_names
from eval.summary import latency
from otto.call import Call
from otto.errors import UsageError

ALPHA = 0.05  # below it a p value shows a difference
BETTER, WORSE, UNDECIDED = "better", "worse", "no difference shown"

Pair = tuple[Row, Row]


@dataclass(frozen=True)
class Paired:
    """The cases that both runs have, in A's order, and the ids that one has alone."""

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


@dataclass(frozen=True)
class Measure:
    """One measure of both runs over the same `n` cases.

    `low` and `high` bound the difference `b - a` at 95 %; they are None where every case came out the same in both. `only_a` and `only_b` count
    the cases that only A, and only B, has right; they and `p` are None for a measure that is no share of cases.
    """

    n: int
    a: float | None
    b: float | None
    low: float | None
    high: float | None
    only_a: int | None
    only_b: int | None
    p: float | None
    lower_is_better: bool = False

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def verdict(self) -> str:
        """BETTER or WORSE where both tests show that B is, else UNDECIDED."""
        if self.p is None or self.p >= ALPHA or self.low is None or self.high is None or self.low <= 0 <= self.high:
            return UNDECIDED
        return BETTER if (self.low > 0) is not self.lower_is_better else WORSE


@dataclass(frozen=True)
class Comparison:
    """All that two runs differ in."""

    a: Run
    b: Run
    paired: Paired
    measures: Mapping[str, Measure]
    by_skill: Mapping[str, Measure]  # exact calls; p after Holm's correction for as many skills
    lost: tuple[Pair, ...]  # right in A, wrong in B
    gained: tuple[Pair, ...]  # wrong in A, right in B
    latency_ms: Mapping[str, Mapping[str, float | None]]  # "a" and "b" → p50, p95 of wall time

    @property
    def verdict(self) -> str:
        """WORSE where B is shown to make fewer exact calls or more false calls, else what is shown of its exact calls."""
        if self.measures["false_call_rate"].verdict == WORSE:
            return WORSE
        return self.measures["exact_match"].verdict

    def to_json(self) -> dict[str, Any]:
        """What `otto eval compare --json` prints."""
        return {
            "a": {"run": str(self.a.folder), "router": router_name(self.a.summary["router"])},
            "b": {"run": str(self.b.folder), "router": router_name(self.b.summary["router"])},
            "paired": len(self.paired.pairs),
            "only_a": list(self.paired.only_a),
            "only_b": list(self.paired.only_b),
            "verdict": self.verdict,
            "measures": {name: _measure_json(measure) for name, measure in self.measures.items()},
            "by_skill": {name: _measure_json(measure) for name, measure in self.by_skill.items()},
            "lost": [_flip_json(pair) for pair in self.lost],
            "gained": [_flip_json(pair) for pair in self.gained],
            "latency_ms": {side: dict(times) for side, times in self.latency_ms.items()},
        }


def compare(a: Run, b: Run) -> Comparison:
    """Compare B with A.

    Raises:
        UsageError: the runs have no case in common, or one id stands for two cases.
    """
    paired = pair(a, b)
    pairs = paired.pairs
    by_skill: dict[str, list[Pair]] = {}
    for two in pairs:
        by_skill.setdefault(_skill(two[0]), []).append(two)
    return Comparison(
        a=a,
        b=b,
        paired=paired,
        measures=_measures(pairs),
        by_skill=_corrected({name: _share(by_skill[name], _exact) for name in sorted(by_skill)}),
        lost=tuple((one, other) for one, other in pairs if one["exact"] and not other["exact"]),
        gained=tuple((one, other) for one, other in pairs if other["exact"] and not one["exact"]),
        latency_ms={"a": _times([one for one, _ in pairs]), "b": _times([other for _, other in pairs])},
    )


def pair(a: Run, b: Run) -> Paired:
    """The cases of both runs, by id.

    Raises:
        UsageError: they have none in common, or an id stands for other words or another expected call.
    """
    others = {row["id"]: row for row in b.rows}
    pairs = tuple((row, others[row["id"]]) for row in a.rows if row["id"] in others)
    if not pairs:
        raise UsageError(
            f"The runs have no case in common: {len(a.rows):,} cases in {a.folder}, {len(b.rows):,} in {b.folder}", "compare runs over the same data"
        )
    changed = [one["id"] for one, other in pairs if (one["text"], one["gold"]) != (other["text"], other["gold"])]
    if changed:
        raise UsageError(
            f"{len(changed):,} of the {len(pairs):,} ids that the runs share stand for other words or another expected call, the first {changed[0]}",
            "run both over the same data",
        )
    known = {row["id"] for row, _ in pairs}
    return Paired(
        pairs,
        only_a=tuple(row["id"] for row in a.rows if row["id"] not in known),
        only_b=tuple(row["id"] for row in b.rows if row["id"] not in known),
    )


def _measures(pairs: Sequence[Pair]) -> dict[str, Measure]:
    stray = [two for two in pairs if two[0]["stray"]]
    commands = [two for two in pairs if not two[0]["stray"]]
    return {
        "exact_match": _share(pairs, _exact),
        "skill_accuracy": _share(pairs, lambda row: row["skill"]),
        "argument_f1": _argument_f1(pairs),
        "valid_call_rate": _share(pairs, lambda row: row["valid"]),
        "false_call_rate": _share(stray, lambda row: row["false_call"], lower_is_better=True),
        "missed_call_rate": _share(commands, lambda row: row["missed_call"], lower_is_better=True),
    }


def _exact(row: Row) -> bool:
    return bool(row["exact"])


def _share(pairs: Sequence[Pair], holds: Callable[[Row], bool], lower_is_better: bool = False) -> Measure:
    """A share of cases; what holds is right, or wrong where lower is better."""
    if not pairs:
        return Measure(0, None, None, None, None, 0, 0, None, lower_is_better)
    a, b = ([float(holds(two[side])) for two in pairs] for side in (0, 1))
    only_a = sum(one > other for one, other in zip(a, b, strict=True))
    only_b = sum(one < other for one, other in zip(a, b, strict=True))
    bounds = statistics.paired_bootstrap(a, b, _groups(pairs)) if only_a or only_b else None
    right = (only_b, only_a) if lower_is_better else (only_a, only_b)
    p = statistics.mcnemar_exact(only_a, only_b)
    low, high = (bounds.low, bounds.high) if bounds else (None, None)
    return Measure(len(pairs), sum(a) / len(a), sum(b) / len(b), low, high, *right, p, lower_is_better)


def _argument_f1(pairs: Sequence[Pair]) -> Measure:
    sides = [_f1_columns([two[side] for two in pairs]) for side in (0, 1)]
    a, b = (_ratio(*columns) for columns in sides)
    bounds = None
    if sides[0] != sides[1] and a is not None and b is not None:
        bounds = statistics.paired_ratios(*sides[0], *sides[1], _groups(pairs))
    low, high = (bounds.low, bounds.high) if bounds else (None, None)
    return Measure(len(pairs), a, b, low, high, None, None, None)


def _f1_columns(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    counts = [row["arguments"] for row in rows]
    return [2.0 * count["tp"] for count in counts], [2.0 * count["tp"] + count["fp"] + count["fn"] for count in counts]


def _ratio(parts: Sequence[float], wholes: Sequence[float]) -> float | None:
    return sum(parts) / sum(wholes) if sum(wholes) else None


def _groups(pairs: Sequence[Pair]) -> list[str]:
    return [one["group"] for one, _ in pairs]


def _corrected(measures: Mapping[str, Measure]) -> dict[str, Measure]:
    """The measures with p values as Holm (1979) corrects them for being looked at together."""
    values = statistics.holm([measure.p if measure.p is not None else 1.0 for measure in measures.values()])
    return {name: Measure(**{**asdict(measure), "p": p}) for (name, measure), p in zip(measures.items(), values, strict=True)}


def _skill(row: Row) -> str:
    """The skills of the first alternative: what the case is about, whatever either run made of it."""
    return "+".join(skill_names(map(Call.parse, row["gold"][0])))


def _times(rows: Sequence[Row]) -> dict[str, float | None]:
    times = latency(rows)
    return {name: times[name] for name in ("p50", "p95")}


def _measure_json(measure: Measure) -> dict[str, Any]:
    return {**asdict(measure), "difference": measure.difference, "verdict": measure.verdict}


def _flip_json(pair: Pair) -> dict[str, Any]:
    one, other = pair
    return {"id": one["id"], "text": one["text"], "gold": one["gold"], "a": one["predicted"], "b": other["predicted"]}
