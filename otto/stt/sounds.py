"""How alike two sequences of speech sounds are."""

from __future__ import annotations

from collections.abc import Sequence

_CONFUSED = 0.5  # cost of one sound for another of its family; of a stranger, of one too many, and of one too few: 1
_FAMILIES = "AA AH AO AW AY OW|AE EH EY|IH IY Y|ER R|UH UW W|B P|D T DH TH|G K|F V|S Z|SH ZH CH JH|L|M N NG|HH|OY"
_FAMILY = {sound: number for number, family in enumerate(_FAMILIES.split("|")) for sound in family.split()}


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """1 for the same sounds in the same order, 0 for nothing in common: one less the edit distance over the longer length."""
    longer = max(len(one), len(other))
    return 1 - _distance(one, other) / longer if longer else 1.0


def _distance(one: Sequence[str], other: Sequence[str]) -> float:
    above = [float(column) for column in range(len(other) + 1)]
    for sound in one:
        row = [above[0] + 1]
        for column, counterpart in enumerate(other):
            row.append(min(above[column] + _cost(sound, counterpart), above[column + 1] + 1, row[column] + 1))
        above = row
    return above[-1]


def _cost(sound: str, counterpart: str) -> float:
    if sound == counterpart:
        return 0
    return _CONFUSED if _FAMILY.get(sound, sound) == _FAMILY.get(counterpart, counterpart) else 1
