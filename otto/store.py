"""The database: one SQLite file for the history, the skills' own values and what is scheduled.

It is written so that a `kill -9`, a full disk or a damaged file costs at most the write that was under way.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, ItemsView, Iterator, MutableMapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol, TypeVar

from otto.errors import CallSyntaxError, StoreError

DATABASE_NAME = "otto.db"
BUSY_SECONDS = 5.0  # to wait for another process that is writing
FORMAT = 1  # PRAGMA user_version
SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    heard TEXT NOT NULL,
    stt_engine TEXT NOT NULL,
    reason TEXT,
    route TEXT,
    call TEXT,
    result TEXT,
    ok INTEGER,
    timings TEXT NOT NULL,
    alternatives TEXT NOT NULL,
    undo TEXT,
    undone INTEGER NOT NULL DEFAULT 0,
    correction TEXT,
    audio TEXT
);
CREATE TABLE IF NOT EXISTS store (
    skill TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (skill, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    skill TEXT NOT NULL,
    when_utc TEXT NOT NULL,
    text TEXT NOT NULL,
    label TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending'
);
CREATE INDEX IF NOT EXISTS schedule_due ON schedule (state, when_utc);
"""
Answer = TypeVar("Answer")
Warn = Callable[[str], None]


class Transacts(Protocol):
    """A database, or a gate before one."""

    def transact(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer: ...


class Database:
    """The file and its one connection, which threads share. Opened at first use, and again where the file was replaced.

    A damaged file is set aside under another name, never deleted, and a new one begun; `warn` is told in one sentence.
    """

    def __init__(self, path: Path, warn: Warn = lambda sentence: None) -> None:
        self.path = path
        self._warn = warn
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def transact(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Run `work` in one transaction: all of it is written, or nothing. It runs again where the file proves damaged.

        Raises:
            StoreError: the file cannot be opened or written.
            ValueError: a text holds a lone surrogate.
        """
        with self._lock:
            for certain in (False, True):
                try:
                    return self._attempt(work)
                except sqlite3.Error as error:
                    if not _is_damage(error):
                        raise self._sentence(error) from None
                self._set_aside(certain)
            try:
                return self._attempt(work)
            except sqlite3.Error as error:
                raise self._sentence(error) from None

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
                self._connection = None

    def _attempt(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            answer = work(connection)
            connection.execute("COMMIT")
            return answer
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself where the disk is full
                connection.execute("ROLLBACK")
            if isinstance(error, UnicodeEncodeError):  # the caller's text, which SQLite cannot hold: no fault of the file
                raise ValueError("a lone surrogate is not text") from None
            if isinstance(error, ValueError | CallSyntaxError):
                raise sqlite3.DatabaseError(f"malformed value ({error})") from None
            raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._identity == _identity(self.path):
            return self._connection
        self.close()  # never opened, or another process has set the file aside
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from None
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity = connection, _identity(self.path)
        return connection

    def _set_aside(self, certain: bool) -> None:
        """Give the damaged file another name; look first whether another process has, where that is not `certain`."""
        self.close()
        try:
            with _file_lock(self.path.with_name(f"{self.path.name}.lock")):
                if not certain and _is_sound(self.path):
                    return
                stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
                aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
                for suffix in ("-wal", "-shm", ""):  # the log first: it must never meet the new file
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(f"{self.path}{suffix}", f"{aside}{suffix}")
        except OSError as error:
            raise StoreError(
                f"{self.path} is damaged and cannot be set aside ({error.strerror})",
                "close other Ottos and move the file away",
            ) from None
        self._warn(f"The database was damaged; it is kept as {aside.name} in {aside.parent}, and a new one has begun.")

    def _sentence(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        if "is full" in text:
            return StoreError(
                f"The disk is full: nothing can be stored in {self.path.parent}",
                "make room, or name another folder in OTTO_HOME",
            )
        if "locked" in text or "busy" in text:
            return StoreError(f"Another program holds {self.path} locked", "close other Ottos and try again")
        return self._unwritable(text)

    def _unwritable(self, reason: str) -> StoreError:
        return StoreError(
            f"Otto cannot store anything in {self.path.parent} ({reason.rstrip('.')})",
            "make the folder writable, or name another one in OTTO_HOME",
        )


class SkillStore(MutableMapping[str, Any]):
    """The values that one skill keeps: JSON, written at once."""

    def __init__(self, database: Transacts, skill: str) -> None:
        self._database = database
        self._skill = skill

    def __getitem__(self, key: str) -> Any:
        query = "SELECT value FROM store WHERE skill = ? AND key = ?"
        found = self._database.transact(
            lambda connection: [json.loads(row[0]) for row in connection.execute(query, (self._skill, key))]
        )
        if not found:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: str, value: Any) -> None:
        self._run(
            "INSERT INTO store VALUES (?, ?, ?) ON CONFLICT (skill, key) DO UPDATE SET value = excluded.value",
            key,
            to_json(value),
        )

    def __delitem__(self, key: str) -> None:
        if not self._run("SELECT 1 FROM store WHERE skill = ? AND key = ?", key):
            raise KeyError(key)
        self._run("DELETE FROM store WHERE skill = ? AND key = ?", key)

    def __iter__(self) -> Iterator[str]:
        return iter([row[0] for row in self._run("SELECT key FROM store WHERE skill = ? ORDER BY key")])

    def items(self) -> ItemsView[str, Any]:
        """All at one moment, whatever other processes write meanwhile."""
        query = "SELECT key, value FROM store WHERE skill = ? ORDER BY key"
        return self._database.transact(
            lambda connection: {key: json.loads(value) for key, value in connection.execute(query, (self._skill,))}
        ).items()

    def __len__(self) -> int:
        return int(self._run("SELECT count(*) FROM store WHERE skill = ?")[0][0])

    def _run(self, statement: str, *values: str) -> list[Any]:
        return self._database.transact(
            lambda connection: connection.execute(statement, (self._skill, *values)).fetchall()
        )


def to_json(value: Any) -> str:
    """Raises TypeError or ValueError where a value is not JSON."""
    return json.dumps(value, allow_nan=False)


def to_utc(when: datetime) -> str:
    """A moment as the database keeps it: texts of one length, in the order of time."""
    if when.tzinfo is None:
        raise ValueError("the moment needs its time zone")
    return when.astimezone(timezone.utc).isoformat(timespec="microseconds")


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT:
        raise StoreError(
            "The database was written by a newer Otto", "upgrade with: pip install --upgrade otto-assistant"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    if version < FORMAT:
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT")


def _is_damage(error: sqlite3.Error) -> bool:
    """By SQLite's own words: Python 3.10 has no error codes."""
    return any(
        words in str(error)
        for words in ("malformed", "not a database", "no such table", "no such column", "Could not decode")
    )


def _is_sound(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            _prepare(connection)
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold a lock among processes; the system lets go of it when its holder dies."""
    with open(path, "a+b") as file:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
