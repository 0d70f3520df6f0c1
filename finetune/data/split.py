"""Splits rows into training, validation and test, by template and by value."""

from __future__ import annotations

from finetune.embedded.rows import Row
from finetune.embedded.split import share
from otto.skill import OTHER

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SHARE = 0.06  # of all templates, and of all values, for each of the two held-out parts


def part_of(row: Row, held_out: float = SHARE) -> str:
    """Where a row belongs: its template or one of its values decides, and test goes before validation.

    So no template of a test row that was held out by its template stands anywhere else, nor any value of one that was held out by its
    value; of validation and training the same holds. The words alone decide, so a row stays where it is when others are added.
    """
    values = row.values if row.skill != OTHER else ()
    shares = [share(f"template {row.template}"), *(share(f"value {value}") for value in values)]
    if min(shares) < held_out:
        return TEST
    return VALIDATION if min(shares) < 2 * held_out else TRAIN
