"""Command acceptance, as Picovoice's speech-to-intent benchmark counts it: results of recordings in, shares out.

A recording is accepted where the skill is the right one and every labelled parameter has its value; a parameter that is not in the label is not
looked at, so that acceptance is never below the share of exact calls (`src/engine.py` of github.com/Picovoice/speech-to-intent-benchmark).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.statistics import Rate, rate
from eval.summary import CLEAN, Row

NOISY = "noise"  # all levels of noise together


def accepted(row: Row) -> bool:
    """Whether Picovoice's benchmark would count the row of results.jsonl as understood."""
    return bool(row["skill"]) and row["arguments"]["fn"] == 0


def acceptance(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """By level ("clean", "24", …), and for all noise together, which is the mean of the levels once every recording was heard at each."""
    levels = {CLEAN if row["snr"] is None else f"{row['snr']:g}": row["snr"] for row in rows}
    found = {name: _share([row for row in rows if row["snr"] == snr]) for name, snr in levels.items()}
    found[NOISY] = _share([row for row in rows if row["snr"] is not None])
    return {name: share.to_json() for name, share in found.items()}


def _share(rows: Sequence[Row]) -> Rate:
    return rate([accepted(row) for row in rows], [row["group"] for row in rows])
