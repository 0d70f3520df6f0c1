"""How the command line starts and ends: help, mistakes, exit codes, and no traceback whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import Otto

from otto import __version__
from otto.cli.app import COMMANDS, PANELS
from otto.errors import StoreError
from otto.store import DATABASE_NAME

ROOT = Path(__file__).parent.parent.parent


def process(home: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """`python -m otto …` in a process of its own."""
    environment = {**os.environ, "OTTO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "otto", *arguments], env=environment, capture_output=True, text=True, **options)  # type: ignore[call-overload,no-any-return]


def test_help_names_every_command(otto: Otto) -> None:
    ran = otto("--help")
    assert ran.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert otto("-h").out == ran.out


def test_every_command_stands_in_one_panel() -> None:
    assert sorted(name for names in PANELS.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("finetune", "eval")])
def test_each_command_has_its_help(otto: Otto, name: str) -> None:
    ran = otto(name, "--help")
    assert ran.code == 0
    assert f"Usage: otto {name}" in ran.out


def test_without_a_command_there_is_help(otto: Otto) -> None:
    ran = otto()
    assert ran.code in (0, 2)
    assert "Usage: otto" in ran.out + ran.err


def test_version(otto: Otto) -> None:
    assert otto("--version").out == f"otto {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sya", "hello"), "Did you mean 'say'"),
        (("skill",), "Did you mean 'skills'"),
        (("skills", "lst"), "Did you mean 'list'"),
        (("say",), "Missing argument"),
        (("say", "--dryrun", "hello"), "No such option"),
        (("history", "-n", "many"), "--count"),
        (("history", "-n", "0"), "--count"),
    ],
)
def test_mistakes_of_usage_end_with_2(otto: Otto, arguments: tuple[str, ...], said: str) -> None:
    ran = otto(*arguments)
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


def test_an_unknown_router_is_named_with_the_known_ones(otto: Otto) -> None:
    ran = otto("route", "hello", "--router", "magic")
    assert ran.code == 2
    assert ran.err.startswith("There is no router magic; ")


def test_settings_with_three_mistakes_name_all_three(otto: Otto, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[stt]\nengin = "auto"\n[audio]\nsilence_ms = "long"\n[colours]\nsky = "blue"\n')
    for command in (("say", "hello"), ("doctor",), ("demo",), ("history",), ("skills", "list"), ("config", "show")):
        ran = otto(*command)
        assert ran.code == 1
        lines = ran.err.splitlines()
        assert lines[0] == "The settings have 3 mistakes:"
        assert [line.split(": ")[0].strip() for line in lines[1:]] == ["config.toml:2", "config.toml:4", "config.toml:5"]


@pytest.mark.usefixtures("table")
def test_a_damaged_database_is_set_aside_and_told_of(otto: Otto, home: Path) -> None:
    (home / "data").mkdir(parents=True)
    database = home / "data" / DATABASE_NAME
    database.write_bytes(b"this is no database at all" * 100)
    ran = otto("say", "take a note buy milk")
    assert ran.code == 0
    assert ran.err.startswith("The database was damaged; it is kept as otto.db.damaged-")
    assert ran.err.count("\n") == 1
    assert [file.read_bytes()[:26] for file in database.parent.glob("otto.db.damaged-*")] == [b"this is no database at all"]


@pytest.mark.usefixtures("table")
def test_a_home_that_cannot_be_written_stops_only_what_must_be_stored(otto: Otto, home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    ran = otto("say", "what time is it in tokyo")
    assert ran.code == 0
    assert "In Tokyo it is " in ran.out
    assert ran.err.count("Otto cannot store anything in ") == 1
    ran = otto("say", "take a note buy milk")
    assert ran.code == 1
    assert "Otto cannot store anything in " in ran.out
    assert otto("history").err.startswith("Otto cannot store anything in ")


@pytest.mark.usefixtures("table")
def test_a_full_disk_is_one_sentence(otto: Otto, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise StoreError("The disk is full: nothing can be stored in /data", "make room, or name another folder in OTTO_HOME")

    monkeypatch.setattr("otto.store.Database.transact", full)
    ran = otto("history")
    assert (ran.code, ran.err) == (1, "The disk is full: nothing can be stored in /data; make room, or name another folder in OTTO_HOME.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_on_a_full_disk_is_one_sentence(home: Path) -> None:
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run([sys.executable, "-m", "otto", "config", "path"], env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stderr) == (1, "The output cannot be written (No space left on device); make room on the disk.\n")


@pytest.mark.skipif(os.name == "nt", reason="pipes of Unix")
def test_a_reader_that_leaves_early_is_no_fault(home: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    otto = subprocess.Popen(
        [sys.executable, "-m", "otto", "skills", "list", "--json"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert otto.stdout
    assert otto.stderr
    assert json.loads(otto.stdout.readline())["name"]
    otto.stdout.close()
    assert otto.stderr.read() == ""
    otto.stderr.close()
    otto.wait()


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_ctrl_c_is_quiet(home: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = "import sys, otto.cli.config as c; print('on', flush=True); c.path.__code__ = (lambda: __import__('time').sleep(600)).__code__;"
    script += "from otto.cli import main; sys.exit(main(['config', 'path']))"
    otto = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert otto.stdout
    otto.stdout.readline()
    time.sleep(1)
    otto.send_signal(signal.SIGINT)
    _, err = otto.communicate(timeout=60)
    assert (otto.returncode, err) == (130, "")


def test_a_fault_of_ottos_own_is_one_sentence_and_a_log_entry(otto: Otto, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a fault of Otto's own")

    monkeypatch.setattr("otto.config.config_file", broken)
    ran = otto("config", "path")
    assert ran.code == 1
    assert ran.err == "Otto failed in a way that it should not (ZeroDivisionError: a fault of Otto's own); please report it.\n"
    monkeypatch.undo()


def test_the_log_of_such_a_fault_has_the_traceback(otto: Otto, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("a fault of Otto's own")

    monkeypatch.setattr("otto.models.list_models", broken)
    ran = otto("models", "list")
    log = home / "data" / "otto.log"
    assert ran.err == (
        f"Otto failed in a way that it should not (ZeroDivisionError: a fault of Otto's own); please report it with the end of {log}.\n"
    )
    assert 'raise ZeroDivisionError("a fault of Otto\'s own")' in log.read_text()


def test_a_package_that_is_not_installed_is_named(otto: Otto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    ran = otto("config", "show")
    assert ran.code == 1
    assert ran.err == "The package tomlkit is not installed; install what Otto needs with: pip install otto-assistant.\n"


@pytest.mark.usefixtures("table")
def test_what_a_skill_says_cannot_command_the_terminal(otto: Otto, monkeypatch: pytest.MonkeyPatch) -> None:
    from terminal import PHRASES

    monkeypatch.setitem(PHRASES, "evil", 'notes(action="add", note="\\x1b[2Jgone\\x07")')
    ran = otto("say", "evil")
    assert "\x1b" not in ran.out
    assert "Noted: [2Jgone" in ran.out


def test_a_terminal_that_is_not_utf_8(home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "otto", "skills", "show", "xyzzy…"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}, capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr == b"There is no skill xyzzy?; see `otto skills list`.\n"


def test_rooms_get_their_arguments_as_they_are(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from otto.cli import main

    room = tmp_path / "rooms" / "eval"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text("")
    (room / "__main__.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    monkeypatch.setattr("otto.paths.rooms", lambda: tmp_path / "rooms")
    (Path.cwd() / "eval").mkdir()
    if sys.version_info >= (3, 11):
        (Path.cwd() / "eval" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    assert main(["eval", "--help", "run", "--json", "a b", "--", "-x"]) == 7
    assert capfd.readouterr().out == "['--help', 'run', '--json', 'a b', '--', '-x']\n"


KILLED = pytest.param("kill", marks=pytest.mark.skipif(sys.platform != "linux", reason="of a kill Linux alone tells the child"))


@pytest.mark.skipif(sys.platform == "win32", reason="there, a process that is ended can pass nothing on")
@pytest.mark.parametrize("end", ["terminate", KILLED])
def test_a_room_ends_with_the_command(tmp_path: Path, end: str) -> None:
    room = tmp_path / "eval"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "__main__.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(30)\nprint('and still here')\n")
    program = f"import pathlib, otto.paths; otto.paths.rooms = lambda: pathlib.Path({str(tmp_path)!r}); from otto.cli import main; main(['eval'])"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "here\n"
        getattr(command, end)()
        command.wait(20)
        assert command.stdout.read() == ""


def test_a_room_that_is_not_there(otto: Otto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otto.paths.rooms", lambda: tmp_path)
    ran = otto("finetune", "--help")
    assert ran.code == 1
    assert ran.err == "This Otto has no finetune command; upgrade it with: pip install --upgrade otto-assistant.\n"


@pytest.mark.skipif(shutil.which("python3") is None, reason="no python3")
def test_as_a_process(home: Path) -> None:
    ran = process(home, "route", "what time is it in tokyo", "--router", "phrases", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["calls"] == [{"name": "timecheck", "arguments": {"location": "Tokyo"}}]
