"""The database file: what a kill, a full disk, damage and other processes do to it."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otto import scheduler
from otto.errors import StoreError
from otto.store import Database, SkillStore, to_utc

ROOT = Path(__file__).parent.parent
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "otto.db"


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A real second process."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def filled(path: Path) -> None:
    """A database of many pages, closed, so that nothing of it is only in the log."""
    database = Database(path)
    store = SkillStore(database, "notes")
    for number in range(12):
        store[str(number)] = "x" * 3000
    scheduler.schedule(database, "timer", NOON, "Time is up.")
    database.close()


def test_a_lone_surrogate_is_refused_and_no_damage(path: Path) -> None:
    told: list[str] = []
    database = Database(path, told.append)
    store = SkillStore(database, "notes")
    store["a"] = 1
    with pytest.raises(ValueError, match="a lone surrogate is not text"):
        store["\ud800"] = 2
    with pytest.raises(ValueError, match="a lone surrogate is not text"):
        scheduler.schedule(database, "timer", NOON, "\udfff")
    assert (told, dict(store), scheduler.pending(database)) == ([], {"a": 1}, [])


def test_a_skill_keeps_values_of_its_own(path: Path) -> None:
    notes, timer = SkillStore(Database(path), "notes"), SkillStore(Database(path), "timer")
    notes["a"], notes["b"], timer["a"] = 1, [None, {"c": "ü"}], 3
    assert dict(notes) == {"a": 1, "b": [None, {"c": "ü"}]}
    assert (len(notes), dict(timer)) == (2, {"a": 3})
    del notes["a"]
    assert "a" not in notes
    with pytest.raises(KeyError):
        del notes["a"]
    with pytest.raises(KeyError):
        notes["a"]
    with pytest.raises(TypeError):
        notes["x"] = {1, 2}
    with pytest.raises(ValueError, match="JSON"):
        notes["x"] = float("nan")


@settings(deadline=None)  # each of them writes to the disk
@given(st.text(st.characters(codec="utf-8")), json_values)
def test_any_json_value_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, key: str, value: object) -> None:
    store = SkillStore(Database(tmp_path_factory.getbasetemp() / "values.db"), "s")
    store[key] = value
    assert store[key] == value


def test_it_waits_for_its_first_use(path: Path) -> None:
    Database(path)
    assert not path.parent.exists()


def test_nothing_of_a_failed_transaction_stays(path: Path) -> None:
    database = Database(path)

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO store VALUES ('s', 'k', '1')")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        database.transact(half)
    assert dict(SkillStore(database, "s")) == {}


def header_garbage(path: Path) -> None:
    path.write_bytes(b"garbage!" * 4 + path.read_bytes()[32:])


def no_database(path: Path) -> None:
    path.write_text("Dear diary, this is a text file.\n" * 50)


def truncated_early(path: Path) -> None:
    os.truncate(path, 700)


def truncated_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 17)


def wrong_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = random.Random(1).randbytes(len(content) - 4096)
    path.write_bytes(content)


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def other_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE mine (x); PRAGMA user_version = 1")
    connection.close()


@pytest.mark.parametrize(
    "damage", [header_garbage, no_database, truncated_early, truncated_half, wrong_pages, zeroed, other_tables]
)
def test_a_damaged_file_is_set_aside_and_kept(path: Path, damage: Callable[[Path], None]) -> None:
    filled(path)
    damage(path)
    content = path.read_bytes()
    said: list[str] = []
    store = SkillStore(Database(path, said.append), "notes")
    assert dict(store) == {}
    store["new"] = 1
    assert scheduler.pending(Database(path)) == []
    assert dict(SkillStore(Database(path), "notes")) == {"new": 1}
    (aside,) = [file for file in path.parent.glob("otto.db.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == content
    assert said == [f"The database was damaged; it is kept as {aside.name} in {path.parent}, and a new one has begun."]


def test_a_value_that_makes_no_sense_is_damage(path: Path) -> None:
    filled(path)
    Database(path).transact(lambda connection: connection.execute("UPDATE store SET value = 'no json' WHERE key = '7'"))
    said: list[str] = []
    assert SkillStore(Database(path, said.append), "notes").get("7") is None
    assert len(said) == 1


@settings(max_examples=30, deadline=None)  # each of them writes to the disk
@given(st.data())
def test_whatever_bytes_are_damaged_the_next_write_is_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sound = tmp_path_factory.getbasetemp() / "sound" / "otto.db"
    if not sound.exists():
        filled(sound)
    content = bytearray(sound.read_bytes())
    path = tmp_path_factory.mktemp("damage") / "otto.db"
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        junk = data.draw(st.binary(min_size=1, max_size=200))
        content[start : start + len(junk)] = junk
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    store = SkillStore(Database(path), "new")
    store["k"] = "v"
    assert store["k"] == "v"
    list(SkillStore(Database(path), "notes").items())
    scheduler.due(Database(path), NOON)


def test_an_old_log_does_not_meet_the_new_file(path: Path) -> None:
    filled(path)
    code = """
import os, sys
from pathlib import Path
from otto.store import Database, SkillStore
store = SkillStore(Database(Path(sys.argv[1])), "s")
store["k"] = "old"
os._exit(1)
"""
    python(code, path).communicate()
    assert path.with_name("otto.db-wal").stat().st_size > 0
    path.write_bytes(b"garbage" * 1000)
    store = SkillStore(Database(path), "s")
    assert dict(store) == {}
    store["k"] = "new"
    assert dict(SkillStore(Database(path), "s")) == {"k": "new"}


def test_an_open_database_follows_when_its_file_is_set_aside(path: Path) -> None:
    running = SkillStore(Database(path), "s")
    running["before"] = 1
    for suffix in ("-wal", "-shm", ""):
        path.with_name(f"otto.db{suffix}").rename(path.with_name(f"elsewhere{suffix}"))
    SkillStore(Database(path), "s")["after"] = 2
    assert dict(running) == {"after": 2}


def test_a_database_of_a_newer_otto_is_left_alone(path: Path) -> None:
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StoreError, match="newer Otto; upgrade"):
        dict(SkillStore(Database(path), "notes"))
    assert not list(path.parent.glob("*damaged*"))


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="cannot store anything in .*name another one in OTTO_HOME"):
        SkillStore(Database(tmp_path / "data" / "otto.db"), "s")["k"] = 1


def test_a_folder_in_place_of_the_file(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot store anything"):
        SkillStore(Database(path), "s")["k"] = 1


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system of its own, where this machine lets us mount one."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def tmpfs(options: str) -> Path:
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode:
            pytest.skip("this machine does not let us mount")
        return folder

    if sys.platform != "linux":
        pytest.skip("mounts as Linux does")
    yield tmpfs
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def test_a_full_disk(mount: Callable[[str], Path]) -> None:
    folder = mount("size=400k")
    store = SkillStore(Database(folder / "otto.db"), "s")
    store["first"] = 1
    with pytest.raises(StoreError, match="The disk is full.*make room"):
        for number in range(1000):
            store[f"{number}"] = "x" * 3000
    kept = len(store)
    assert store["first"] == 1
    with pytest.raises(StoreError):
        store["large"] = "x" * 400_000
    assert len(store) == kept, "nothing of the write that failed is there"


def test_a_read_only_disk(mount: Callable[[str], Path]) -> None:
    folder = mount("size=1m")
    database = Database(folder / "otto.db")
    SkillStore(database, "s")["k"] = 1
    database.close()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    with pytest.raises(StoreError, match="make the folder writable"):
        SkillStore(Database(folder / "otto.db"), "s")["k"] = 2
    with pytest.raises(StoreError, match="make the folder writable"):
        SkillStore(Database(folder / "data" / "otto.db"), "s")["k"] = 2


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_file_that_may_not_grow(path: Path) -> None:
    """As a quota does it; needs no rights."""
    code = """
import resource, sys
from pathlib import Path
from otto.store import Database, SkillStore
from otto.errors import StoreError
store = SkillStore(Database(Path(sys.argv[1])), "s")
store["first"] = 1
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    for number in range(1000):
        store[str(number)] = "x" * 3000
except StoreError as error:
    print(error)
"""
    process = python(code, path)
    said, trouble = process.communicate()
    assert (process.returncode, trouble) == (0, "")
    assert said.startswith((f"Otto cannot store anything in {path.parent}", "The disk is full"))
    assert SkillStore(Database(path), "s")["first"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
@pytest.mark.parametrize("after", [1, 7, 23])
def test_kill_9_loses_nothing_that_was_answered(path: Path, after: int) -> None:
    code = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from otto import scheduler
from otto.store import Database
database = Database(Path(sys.argv[1]))
while True:
    print(scheduler.schedule(database, "timer", datetime.now(timezone.utc), "Time is up."), flush=True)
"""
    process = python(code, path)
    assert process.stdout
    answered = [int(process.stdout.readline()) for _ in range(after)]
    os.kill(process.pid, signal.SIGKILL)
    answered += [int(line) for line in process.communicate()[0].split()]
    said: list[str] = []
    kept = [item.id for item in scheduler.due(Database(path, said.append), datetime.now(timezone.utc))]
    assert kept[: len(answered)] == answered
    assert said == []


def test_processes_share_the_file_and_announce_each_timer_once(path: Path) -> None:
    code = """
import json, sys
from datetime import datetime, timezone
from pathlib import Path
from otto import scheduler
from otto.store import Database, SkillStore
database = Database(Path(sys.argv[1]), lambda sentence: print(sentence, file=sys.stderr))
store, taken = SkillStore(database, sys.argv[2]), []
for number in range(20):
    scheduler.schedule(database, "timer", datetime.now(timezone.utc), "up")
    store[str(number)] = number
    taken += [item.id for item in scheduler.due(database, datetime.now(timezone.utc))]
print(json.dumps(taken))
"""
    processes = [python(code, path, f"skill{number}") for number in range(5)]
    outputs = [process.communicate() for process in processes]
    assert [trouble for _, trouble in outputs] == [""] * 5
    taken = sorted(id for said, _ in outputs for id in json.loads(said))
    left = [item.id for item in scheduler.due(Database(path), datetime.now(timezone.utc))]
    assert sorted(taken + left) == list(range(1, 101))
    assert all(len(SkillStore(Database(path), f"skill{number}")) == 20 for number in range(5))


def test_processes_that_find_damage_together_set_it_aside_once(path: Path) -> None:
    filled(path)
    header_garbage(path)
    code = """
import sys
from pathlib import Path
from otto.store import Database, SkillStore
store = SkillStore(Database(Path(sys.argv[1]), print), sys.argv[2])
for number in range(10):
    store[str(number)] = number
"""
    outputs = [process.communicate() for process in [python(code, path, f"skill{number}") for number in range(5)]]
    assert [trouble for _, trouble in outputs] == [""] * 5
    assert sum(said.count("damaged;") for said, _ in outputs) == 1
    assert all(len(SkillStore(Database(path), f"skill{number}")) == 10 for number in range(5))


def test_scheduling(path: Path) -> None:
    database = Database(path)
    late = scheduler.schedule(database, "timer", NOON + timedelta(minutes=5), "Five.", label="a")
    soon = scheduler.schedule(database, "alarm", NOON, "Noon.")
    assert [(item.id, item.skill, item.when, item.label) for item in scheduler.pending(database)] == [
        (soon, "alarm", NOON, ""),
        (late, "timer", NOON + timedelta(minutes=5), "a"),
    ]
    assert [item.id for item in scheduler.pending(database, "timer")] == [late]
    assert not scheduler.unschedule(database, "alarm", late), "another skill's"
    assert [item.text for item in scheduler.due(database, NOON)] == ["Noon."]
    assert scheduler.due(database, NOON) == []
    assert scheduler.unschedule(database, "timer", late)
    assert not scheduler.unschedule(database, "timer", late)
    assert scheduler.pending(database) == []
    with pytest.raises(ValueError, match="time zone"):
        scheduler.schedule(database, "timer", datetime(2026, 5, 1), "x")


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (timedelta(seconds=-1), "Time is up."),
        (timedelta(seconds=29), "Time is up."),
        (timedelta(seconds=30), "Time is up. That was 30 seconds ago."),
        (timedelta(minutes=3, seconds=20), "Time is up. That was 3 minutes ago."),
        (timedelta(hours=1, minutes=59), "Time is up. That was 1 hour ago."),
        (timedelta(days=2), "Time is up. That was 2 days ago."),
    ],
)
def test_announcements_say_how_late_they_are(path: Path, late: timedelta, said: str) -> None:
    database = Database(path)
    scheduler.schedule(database, "timer", NOON, "Time is up.")
    (item,) = scheduler.due(database, NOON + timedelta(days=9))
    assert scheduler.announcement(item, NOON + late) == said


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_stored_moments_sort_as_time_does(one: datetime, other: datetime) -> None:
    try:
        first, second = one.astimezone(timezone.utc), other.astimezone(timezone.utc)
    except OverflowError:
        return  # the first or last hours that a calendar has
    assert (to_utc(one) < to_utc(other)) == (first < second)
