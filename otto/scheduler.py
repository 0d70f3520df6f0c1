"""What is to be announced at a moment: timers and alarms. It lives in the database and outlasts the process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from otto import spoken
from otto.skill import Scheduled
from otto.store import Transacts, to_utc

LATE = timedelta(seconds=30)  # from when on an announcement says how late it is
_COLUMNS = "id, skill, when_utc, text, label"


def schedule(database: Transacts, skill: str, when: datetime, text: str, label: str = "") -> int:
    """Have `text` announced at `when` (aware). Returns its id.

    Raises:
        ValueError: `when` has no time zone.
        StoreError: it cannot be stored, and nothing will be announced.
    """
    row = (skill, to_utc(when), text, label)
    insert = "INSERT INTO schedule (skill, when_utc, text, label) VALUES (?, ?, ?, ?)"
    return database.transact(lambda connection: int(connection.execute(insert, row).lastrowid or 0))


def pending(database: Transacts, skill: str | None = None) -> list[Scheduled]:
    """What is still to come, soonest first: of one skill, or of all."""
    query = (
        f"SELECT {_COLUMNS} FROM schedule WHERE state = 'pending' AND skill = coalesce(?, skill) ORDER BY when_utc, id"
    )
    return database.transact(lambda connection: _scheduled(connection.execute(query, (skill,)).fetchall()))


def unschedule(database: Transacts, skill: str, id: int) -> bool:
    """Drop an announcement of this skill; False where there is none of that id that is still to come."""
    update = "UPDATE schedule SET state = 'dropped' WHERE id = ? AND skill = ? AND state = 'pending'"
    return database.transact(lambda connection: connection.execute(update, (id, skill)).rowcount == 1)


def due(database: Transacts, now: datetime) -> list[Scheduled]:
    """What is to be announced by `now`, soonest first. Each is handed out once, to one process."""

    def take(connection: Any) -> list[Scheduled]:
        query = f"SELECT {_COLUMNS} FROM schedule WHERE state = 'pending' AND when_utc <= ? ORDER BY when_utc, id"
        rows = connection.execute(query, (to_utc(now),)).fetchall()
        connection.executemany("UPDATE schedule SET state = 'announced' WHERE id = ?", [row[:1] for row in rows])
        return _scheduled(rows)

    return database.transact(take)


def announcement(item: Scheduled, now: datetime) -> str:
    """What to say: its text, and how long ago it was meant where Otto was not running then."""
    late = now - item.when
    return item.text if late < LATE else f"{item.text} That was {spoken.duration(late.total_seconds(), parts=1)} ago."


def _scheduled(rows: Sequence[Any]) -> list[Scheduled]:
    return [
        Scheduled(id, skill, datetime.fromisoformat(when).astimezone(), text, label)
        for id, skill, when, text, label in rows
    ]
