"""Where the rooms are: in the repository beside `otto/`, in an installed wheel inside it."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def rooms() -> Path:
    """The folder that holds skills/, examples/, prompts/, finetune/ and eval/."""
    inside = PACKAGE / "rooms"
    return inside if inside.is_dir() else PACKAGE.parent


def room(name: str) -> Path:
    """The folder of one room: `room("skills")`."""
    return rooms() / name
