"""The settings that a stage was begun with, kept beside its result.

A second start with others would mix two trainings, or sign the result of one with the settings of the other.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from otto.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OF_NO_CONSEQUENCE = ("threads", "workers", "save_every")
MEND = "name another folder with --work"


def keep_settings(settings: DataclassInstance, path: Path) -> None:
    """Write them down."""
    path.write_text(json.dumps(asdict(settings), indent=1) + "\n", encoding="utf-8")


def check_settings(settings: DataclassInstance, path: Path) -> None:
    """Whether a stage was begun with these settings. Raises UsageError where it was with others."""
    begun = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, value in asdict(settings).items():
        if name not in OF_NO_CONSEQUENCE and begun.get(name, value) != value:
            raise UsageError(f"What lies in {path.parent} was begun with {name}={begun[name]}, not {value}", MEND)
