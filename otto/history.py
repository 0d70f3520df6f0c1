"""History: every turn as it went, what can be taken back, and what the user corrected."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from otto.call import Call
from otto.messages import NotRecognized, Result, Route, Turn
from otto.store import Database, to_json, to_utc

_COLUMNS = (
    "id",
    "at",
    "heard",
    "stt_engine",
    "reason",
    "route",
    "call",
    "result",
    "ok",
    "timings",
    "alternatives",
    "undo",
    "undone",
    "correction",
    "audio",
)


@dataclass(frozen=True)
class Entry:
    """A turn as the history keeps it."""

    id: int
    at: datetime  # aware, local time
    heard: str
    stt_engine: str  # "typed" where it was not spoken
    reason: str | None = None  # why nothing was recognised
    route: Mapping[str, Any] | None = None  # calls (as text), confidence, engine, ms, timings; None where nothing was recognised
    call: str | None = None  # the calls joined by "; "
    result: str | None = None  # what the user was told; None where nothing was recognised
    ok: bool | None = None
    timings: Mapping[str, float] = field(default_factory=dict)  # stage → milliseconds
    alternatives: tuple[tuple[str, float], ...] = ()  # other readings with their confidence
    undo: tuple[tuple[str, Any], ...] = ()  # (skill, its undo value), in the order they ran
    undone: bool = False
    correction: Call | None = None  # what it should have been
    audio: str | None = None  # file, where the user has the sound kept


class History:
    """The turns of a database, newest first. All methods raise StoreError where it cannot be read or written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, turn: Turn, at: datetime | None = None, audio: str | None = None) -> int:
        """Keep a turn; returns its id."""
        row = {**_row(turn), "at": to_utc(at or datetime.now(timezone.utc)), "audio": audio}
        insert = f"INSERT INTO turns ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        return self._database.transact(
            lambda connection: int(connection.execute(insert, tuple(row.values())).lastrowid or 0)
        )

    def recent(self, count: int = 20) -> list[Entry]:
        """The last turns, newest first."""
        return self._select("ORDER BY id DESC LIMIT ?", max(count, 0))

    def last(self) -> Entry | None:
        """The newest turn."""
        return next(iter(self.recent(1)), None)

    def undoable(self) -> Entry | None:
        """The newest turn that can be taken back and has not been."""
        return next(iter(self._select("WHERE undo IS NOT NULL AND NOT undone ORDER BY id DESC LIMIT 1")), None)

    def mark_undone(self, id: int) -> bool:
        """False where it was undone before, or is not there."""
        return self._update("undone = 1", "NOT undone", id)

    def keep_undo(self, id: int, left: Sequence[tuple[str, Any]]) -> bool:
        """Keep what is still to be taken back of a turn, after a part of it was. False where there is no such turn."""
        return self._update("undo = ?", "NOT undone", id, to_json(list(left)))

    def correct(self, id: int, call: Call) -> bool:
        """Keep what the turn should have been. False where there is no such turn."""
        return self._update("correction = ?", "1", id, str(call))

    def corrections(self) -> list[tuple[str, Call]]:
        """What was heard and what it should have become, oldest first, for training."""
        entries = self._select("WHERE correction IS NOT NULL AND heard != '' ORDER BY id")
        return [(entry.heard, entry.correction) for entry in entries if entry.correction]

    def _select(self, rest: str, *values: Any) -> list[Entry]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM turns {rest}"
        return self._database.transact(lambda connection: [_entry(row) for row in connection.execute(query, values)])

    def _update(self, change: str, condition: str, id: int, *values: str) -> bool:
        update = f"UPDATE turns SET {change} WHERE id = ? AND {condition}"
        return self._database.transact(lambda connection: connection.execute(update, (*values, id)).rowcount == 1)


def _row(turn: Turn) -> dict[str, Any]:
    heard, route, results = turn.heard, turn.route, turn.results
    return {
        "heard": _text(heard.heard if isinstance(heard, NotRecognized) else heard.text),
        "stt_engine": heard.engine,
        "reason": heard.reason if isinstance(heard, NotRecognized) else None,
        "route": to_json(_route(route)) if route else None,
        "call": "; ".join(map(str, route.calls)) if route else None,
        "result": _text(" ".join(result.speech for result in results)) if results else None,
        "ok": all(result.ok for result in results) if results else None,
        "timings": to_json(dict(turn.timings)),
        "alternatives": to_json([(str(call), confidence) for call, confidence in route.alternatives] if route else []),
        "undo": _undo(results),
    }


def _route(route: Route) -> dict[str, Any]:
    return {
        "calls": [str(call) for call in route.calls],
        "confidence": route.confidence,
        "engine": route.engine,
        "ms": route.ms,
        "timings": dict(route.timings),
    }


def _undo(results: Sequence[Result]) -> str | None:
    values = [(result.call.name, result.undo) for result in results if result.undo is not None]
    return to_json(values) if values else None


def _text(text: str) -> str:
    """SQLite keeps no lone surrogates, and a command line can hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    undo = json.loads(values["undo"]) if values["undo"] else []
    return Entry(
        **{name: values[name] for name in ("id", "heard", "stt_engine", "reason", "call", "result", "audio")},
        at=datetime.fromisoformat(values["at"]).astimezone(),
        route=json.loads(values["route"]) if values["route"] else None,
        ok=None if values["ok"] is None else bool(values["ok"]),
        timings=json.loads(values["timings"]),
        alternatives=tuple((call, confidence) for call, confidence in json.loads(values["alternatives"])),
        undo=tuple((skill, value) for skill, value in undo),
        undone=bool(values["undone"]),
        correction=Call.parse(values["correction"]) if values["correction"] else None,
    )
