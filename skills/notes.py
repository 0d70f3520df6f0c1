"""Short notes, kept on this machine."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from typing import Literal

from otto import Context, OttoError, skill

READ_AT_MOST = 10  # notes in one answer


@skill(undo="remove")
def notes(action: Literal["add", "list"], context: Context, note: str = "") -> str:
    """Write down a note, or read the notes out, the newest first.

    Args:
        action: whether to add a note or to list them
        note: the words to write down
    """
    if action == "list":
        return _list(context)
    if not note:
        raise OttoError("There is nothing to write down", 'say it again with the words, such as "take a note to buy milk"')
    key = f"{datetime.now(timezone.utc).isoformat(timespec='microseconds')}-{secrets.token_hex(4)}"  # sorts by age
    context.store[key] = note
    context.for_undo(key)
    return f"Noted: {note}"


def remove(context: Context) -> str:
    """Take the note back."""
    note = context.store.pop(context.undo_value, None)
    return f"Removed the note: {note}" if note else "That note is already gone."


def _list(context: Context) -> str:
    keys = sorted(context.store, reverse=True)
    if not keys:
        return "There are no notes."
    lines = [str(context.store[key]).rstrip(".") for key in keys[:READ_AT_MOST]]
    count = "1 note" if len(keys) == 1 else f"{len(keys)} notes"
    older = f" And {len(keys) - READ_AT_MOST} older ones." if len(keys) > READ_AT_MOST else ""
    return f"{count}: {'. '.join(lines)}.{older}"
