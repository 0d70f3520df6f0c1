"""What `otto fix` kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from otto.call import Call
    from otto.history import Entry, History

T = TypeVar("T")


def corrections() -> list[tuple[str, Call]]:
    """What was said and the call that was right, oldest first."""
    return _read(lambda history: history.corrections())


def turns() -> list[Entry]:
    """All turns, oldest first."""
    return _read(lambda history: history.recent(2**31)[::-1])


def _read(read: Callable[[History], list[T]]) -> list[T]:
    from otto.cli.output import note
    from otto.config import load_settings
    from otto.history import History
    from otto.store import DATABASE_NAME, Database

    database = Database(load_settings().paths.data / DATABASE_NAME, note)
    try:
        return read(History(database))
    finally:
        database.close()
