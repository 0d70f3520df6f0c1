"""What came of a skill's check: rows in, shares with their intervals out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eval.collisions import Collision
from eval.statistics import Rate, rate, wilson
from eval.summary import CLEAN, Row, gold_skill, predicted_skill

SPOKEN, TYPED = "spoken", "typed"  # how the ids of cases begin; `spoken/VOICE/…`


@dataclass(frozen=True)
class Report:
    """What came of a check. `rows` are those of results.jsonl."""

    names: tuple[str, ...]  # of the skills that were checked
    voices: tuple[str, ...]
    rows: list[dict[str, Any]]
    collisions: list[Collision]

    @property
    def spoken(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["heard"] is not None]

    @property
    def typed(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["heard"] is None]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {
            "skills": list(self.names),
            "voices": list(self.voices),
            "spoken": _figures(self.spoken, self.names),
            "by_voice": {voice: _figures(rows, self.names) for voice, rows in _by(self.spoken, _voice).items()},
            "by_snr": {level: _figures(rows, self.names) for level, rows in _by(self.spoken, _level).items()},
            "typed": _figures(self.typed, self.names),
            "failures": [_failure(row) for row in failures(self.rows, self.names)],
            "collisions": [collision.to_json() for collision in self.collisions],
        }


def failures(rows: Iterable[Row], names: Collection[str]) -> list[Row]:
    """Own sentences whose call is not right, and sentences of others that one of the skills took."""
    return [row for row in rows if (not row["exact"] if gold_skill(row) in names else _taken(row, names))]


def acceptance(rows: Sequence[Row], names: Collection[str]) -> Rate:
    """The share of the skills' own sentences whose whole call is right."""
    return _share([row for row in rows if gold_skill(row) in names], lambda row: row["exact"])


def false_acceptance(rows: Sequence[Row], names: Collection[str]) -> Rate:
    """The share of the sentences of other skills, and of stray talk, that one of the skills took."""
    return _share([row for row in rows if gold_skill(row) not in names], lambda row: _taken(row, names))


def _figures(rows: Sequence[Row], names: Collection[str]) -> dict[str, Any]:
    """`others_accepted` is what the other skills reach with the same voices: how much of a refusal is the voice's."""
    own = [row for row in rows if gold_skill(row) in names]
    others = [row for row in rows if gold_skill(row) not in names and not row["stray"]]
    return {
        "acceptance": acceptance(rows, names).to_json(),
        "refused": _share(own, lambda row: row["missed_call"]).to_json(),
        "wrong": _share(own, lambda row: not row["exact"] and not row["missed_call"]).to_json(),
        "false_acceptance": false_acceptance(rows, names).to_json(),
        "others_accepted": _share(others, lambda row: row["exact"]).to_json(),
    }


def _share(rows: Sequence[Row], hit: Callable[[Row], bool]) -> Rate:
    """A share with the widest of three intervals.

    Sentences of one template are resampled together; those of one voice are; and Wilson's is taken for as many trials as there are templates, for few
    of them, each as often right as wrong, would show a bootstrap no spread.
    """
    hits = [hit(row) for row in rows]
    if not hits:
        return rate(hits)
    templates = [row["group"] or row["id"] for row in rows]
    trials = len(set(templates))
    by_template, by_voice = rate(hits, templates), rate(hits, [_voice(row) for row in rows])
    found = [by_template, by_voice, wilson(round(sum(hits) * trials / len(hits)), trials)]
    lows, highs = [item.low for item in found if item.low is not None], [item.high for item in found if item.high is not None]
    return replace(by_template, low=min(lows), high=max(highs))


def _taken(row: Row, names: Collection[str]) -> bool:
    return any(name in names for name in predicted_skill(row).split("+"))


def _voice(row: Row) -> str:
    """"" of a typed sentence."""
    kind, _, rest = str(row["id"]).partition("/")
    return rest.partition("/")[0] if kind == SPOKEN else ""


def _level(row: Row) -> str:
    return CLEAN if row["snr"] is None else f"{row['snr']:g}"


def _by(rows: Iterable[dict[str, Any]], key: Callable[[Row], str]) -> Mapping[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _failure(row: Row) -> dict[str, Any]:
    return {
        "text": row["text"],
        "expected": row["gold"][0][0],
        "called": "; ".join(row["predicted"]),
        "heard": row["heard"],
        "voice": _voice(row) or None,
        "snr": row["snr"],
    }
