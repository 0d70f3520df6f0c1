"""Where the rooms are: in the repository beside `otto/`, in an installed wheel inside it. And how many files a cache keeps."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def rooms() -> Path:
    """The folder that holds skills/, examples/, prompts/, finetune/ and eval/."""
    inside = PACKAGE / "rooms"
    return inside if inside.is_dir() else PACKAGE.parent


def room(name: str) -> Path:
    """The folder of one room: `room("skills")`."""
    return rooms() / name


def keep_newest(folder: Path, pattern: str, count: int = 4) -> None:
    """Delete all but the newest files of a cache: each set of skills has one of its own, and sets change."""
    with suppress(OSError):  # another process may be at it
        for path in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)[count:]:
            path.unlink()
