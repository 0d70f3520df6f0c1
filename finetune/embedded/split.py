"""Splits rows by template and by value, not only by line: a held-out sentence or value stands nowhere in training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from finetune.embedded.rows import Row
from otto.skill import OTHER


@dataclass
class Split:
    """Rows to train on, and those held out: for a sentence that was never seen, for a value that was never seen."""

    train: list[Row] = field(default_factory=list)
    template: list[Row] = field(default_factory=list)
    value: list[Row] = field(default_factory=list)

    @property
    def held_out(self) -> list[Row]:
        return self.template + self.value


def split_rows(rows: Iterable[Row], *, templates: float = 0.1, values: float = 0.1) -> Split:
    """Hold out a share of all templates and, of the other templates, the rows with one of a share of all values.

    Whether something is held out depends on its words alone, so it stays so when examples are added.
    """
    split = Split()
    for row in rows:
        if share(f"template {row.template}") < templates:
            split.template.append(row)
        elif row.skill != OTHER and any(share(f"value {value}") < values for value in row.values):
            split.value.append(row)
        else:
            split.train.append(row)
    return split


def share(text: str) -> float:
    """A fixed number from 0 to 1 for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
