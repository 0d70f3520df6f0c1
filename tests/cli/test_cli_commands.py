"""say, route, history, undo, fix, config, models: what they print, and the code they end with."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from terminal import PHRASES, Otto

from otto import Call
from otto.history import History
from otto.store import DATABASE_NAME, Database

pytestmark = pytest.mark.usefixtures("table")


def test_say_does_a_command(otto: Otto) -> None:
    ran = otto("say", "Set a timer for five minutes")
    assert ran.code == 0
    assert ran.out == 'timer(duration="5 minutes")\nTimer set for 5 minutes.\n'
    assert ran.err == "It is announced while `otto listen` runs, else with the next command.\n"


def test_say_takes_words_without_quotes(otto: Otto) -> None:
    assert otto("say", "take", "a", "note", "buy", "milk").out.endswith("Noted: buy milk\n")


def test_say_json(otto: Otto) -> None:
    ran = otto("say", "take a note buy milk", "--json")
    found = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert list(found) == ["text", "calls", "confidence", "engine", "ms", "results", "id"]
    assert found["calls"] == [{"name": "notes", "arguments": {"action": "add", "note": "buy milk"}}]
    assert [(item["speech"], item["ok"]) for item in found["results"]] == [("Noted: buy milk", True)]
    assert found["id"] == 1
    assert ran.err == ""


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_stray_talk_does_nothing(otto: Otto, options: tuple[str, ...]) -> None:
    ran = otto("say", "what a lovely day", *options)
    assert ran.code == 3
    assert ran.err == ("" if options else "Nothing was done: no skill fits. `otto skills list` shows what there is.\n")
    assert (json.loads(ran.out)["calls"] == [{"name": "other", "arguments": {}}]) if options else (ran.out == "other()\n")


def test_a_dry_run_stops_before_the_skill_and_leaves_no_trace(otto: Otto, home: Path) -> None:
    ran = otto("say", "--dry-run", "take a note buy milk")
    assert (ran.code, ran.out) == (0, 'notes(action="add", note="buy milk")\n')
    assert otto("say", "--dry-run", "hello there").code == 3
    assert not (home / "data" / DATABASE_NAME).exists()


def test_a_failing_skill_is_one_sentence_and_code_1(otto: Otto) -> None:
    ran = otto("say", "divide one by zero")
    assert ran.code == 1
    assert ran.out.splitlines()[0] == 'math(question="1/0")'
    assert len(ran.out.splitlines()) == 2


def test_two_calls_of_one_sentence(otto: Otto) -> None:
    ran = otto("say", "note buy milk and set a timer")
    assert ran.code == 0
    assert ran.out.splitlines() == ['notes(action="add", note="buy milk"); timer(duration="1 minute")', "Noted: buy milk", "Timer set for 1 minute."]


def test_what_came_due_is_announced_once_at_the_next_command(otto: Otto, home: Path) -> None:
    otto("say", "set a timer for five minutes")
    with sqlite3.connect(home / "data" / DATABASE_NAME) as connection:
        connection.execute("UPDATE schedule SET when_utc = '2020-01-01T00:00:00.000000+00:00'")
    ran = otto("say", "read my notes")
    assert ran.err.startswith("♪ Your timer for 5 minutes ran out. That was ")
    assert ran.out == 'notes(action="list")\nThere are no notes.\n'
    assert otto("say", "read my notes").err == ""


def test_an_empty_command_is_nothing(otto: Otto) -> None:
    assert otto("say", "  ").code == 3


def test_a_command_that_is_too_long_is_refused(otto: Otto) -> None:
    ran = otto("say", "a" * 2001)
    assert (ran.code, ran.out, ran.err) == (2, "", "A command has at most 2,000 characters and this has 2,001; say it in fewer words.\n")


def test_bytes_that_are_no_text_do_not_stop_it(otto: Otto) -> None:
    assert otto("say", "hello \udcff").code == 3
    assert otto("route", "hello \udcff", "--json").code == 3


def test_route_prints_the_call_and_runs_nothing(otto: Otto, home: Path) -> None:
    ran = otto("route", "take a note buy milk")
    assert (ran.code, ran.out) == (0, 'notes(action="add", note="buy milk")\n')
    assert otto("route", "take a nap").code == 3
    assert not (home / "data").exists()


def test_route_json_has_the_published_shape(otto: Otto) -> None:
    ran = otto("route", "--json", "take a note buy milk")
    assert json.loads(ran.out) == {
        "text": "take a note buy milk",
        "calls": [{"name": "notes", "arguments": {"action": "add", "note": "buy milk"}}],
        "confidence": 0.99,
        "engine": "table",
        "ms": 0.25,
    }


def test_route_takes_lines_in_their_order(otto: Otto, tmp_path: Path) -> None:
    lines = ["read my notes", "", "stray talk", "x" * 3000, "set a timer for five minutes", "naïve café ☕"]
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = otto("route", "--file", str(file), "--json")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert [item["text"] for item in found] == lines
    assert [item["calls"][0]["name"] for item in found] == ["notes", "other", "other", "other", "timer", "other"]


def test_route_reads_the_standard_input_and_windows_files(otto: Otto, tmp_path: Path) -> None:
    assert otto("route", "--file", "-", stdin="read my notes\n").out == 'notes(action="list")\n'
    file = tmp_path / "lines.txt"
    file.write_bytes("\ufeffread my notes\r\nhello\r\n".encode())
    assert otto("route", "--file", str(file)).out == 'notes(action="list")\nother()\n'


def test_route_with_signatures_in_a_file(otto: Otto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PHRASES, "a flat white", 'order(drink="flat white")')
    file = tmp_path / "skills.json"
    file.write_text('{"skills": [{"name": "order", "description": "Order.", "parameters": [{"name": "drink", "required": true}]}]}')
    assert otto("route", "a flat white", "--skills", str(file)).out == 'order(drink="flat white")\n'


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "`otto route` takes a text or a file of lines; write: otto route TEXT, or: otto route --file LINES.txt."),
        (("hello", "--file", "x.txt"), "`otto route` takes a text or a file of lines; write: otto route TEXT, or: otto route --file LINES.txt."),
    ],
)
def test_route_wants_a_text_or_a_file(otto: Otto, arguments: tuple[str, ...], sentence: str) -> None:
    ran = otto("route", *arguments)
    assert (ran.code, ran.err) == (2, sentence + "\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read (No such file or directory)"), (b"caf\xe9\n", "is not text in UTF-8"), ("folder", "cannot be read (Is a directory)")],
)
def test_a_file_of_lines_that_cannot_be_read(otto: Otto, tmp_path: Path, content: bytes | str | None, said: str) -> None:
    file = tmp_path / "lines.txt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        file.mkdir()
    ran = otto("route", "--file", str(file))
    assert ran.code == 1
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("content", [None, "", "[]", '{"skills": [{}]}', '{"skills": [{"name": "no name"}]}'])
def test_signatures_that_cannot_be_read(otto: Otto, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "skills.json"
    if content is not None:
        file.write_text(content)
    ran = otto("route", "hello", "--skills", str(file))
    assert ran.code == 1
    assert "skills.json" in ran.err


def test_history_shows_the_newest_at_the_end(otto: Otto) -> None:
    assert otto("history").err == "There are no commands yet; say one: otto say TEXT\n"
    otto("say", "read my notes")
    otto("say", "stray talk")
    otto("say", "divide one by zero")
    ran = otto("history")
    assert [line for line in ran.out.splitlines() if "heard" in line] == ['  heard   "read my notes"', '  heard   "stray talk"', '  heard   "divide one by zero"']
    assert "  answer  There are no notes." in ran.out
    assert otto("history", "-n", "1").out.startswith("#3  ")
    rows = [json.loads(line) for line in otto("history", "--json").out.splitlines()]
    assert [(row["heard"], row["call"], row["ok"]) for row in rows] == [
        ("read my notes", 'notes(action="list")', True),
        ("stray talk", "other()", False),
        ("divide one by zero", 'math(question="1/0")', False),
    ]


def test_undo_takes_the_last_command_back(otto: Otto) -> None:
    otto("say", "take a note buy milk")
    ran = otto("undo")
    assert (ran.code, ran.out) == (0, 'undo notes(action="add", note="buy milk")\nRemoved the note: buy milk\n')
    assert otto("say", "read my notes").out.endswith("There are no notes.\n")
    ran = otto("undo")
    assert (ran.code, ran.err) == (2, "There is nothing to undo; see `otto history`.\n")


def test_fix_keeps_a_correction_for_training(otto: Otto, home: Path) -> None:
    otto("say", "five minutes please")
    ran = otto("fix", 'timer(duration="five minutes")')
    assert (ran.code, ran.out) == (0, 'Kept for training: "five minutes please" should have been timer(duration="5 minutes").\n')
    assert "  meant   timer(duration=\"5 minutes\")" in otto("history").out
    assert History(Database(home / "data" / DATABASE_NAME)).corrections() == [("five minutes please", Call("timer", {"duration": "5 minutes"}))]


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ("timer(", 1, "this is not a call"),
        ("teleport()", 1, "There is no skill teleport; see `otto skills list`."),
        ("timer(minutes=5)", 1, "timer has no parameter minutes; its parameters are: duration."),
        ('timer(duration="a while ago")', 1, "duration='a while ago' does not fit"),
        ("timer()", 1, "timer needs duration"),
    ],
)
def test_fix_refuses_what_is_no_call_of_a_skill(otto: Otto, call: str, code: int, said: str) -> None:
    otto("say", "five minutes please")
    ran = otto("fix", call)
    assert ran.code == code
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_fix_without_a_command(otto: Otto) -> None:
    assert otto("fix", "other()").err == "There is no command to correct; say one first: otto say TEXT.\n"


def test_config(otto: Otto, home: Path) -> None:
    assert otto("config", "path").out == f"{home / 'config.toml'}\n"
    assert otto("config", "set", "audio.silence_ms", "700").out == "audio.silence_ms = 700\n"
    assert "silence_ms = 700" in otto("config", "show").out
    assert json.loads(otto("config", "show", "--json").out)["audio"]["silence_ms"] == 700


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("stt.modle", "small", "There is no setting stt.modle; did you mean stt.model?"),
        ("audio.silence_ms", "soon", "audio.silence_ms = 'soon' does not fit; it should be a whole number."),
        ("nothing", "x", "There is no setting nothing"),
    ],
)
def test_config_refuses(otto: Otto, home: Path, key: str, value: str, said: str) -> None:
    ran = otto("config", "set", key, value)
    assert ran.code == 2
    assert said in ran.err
    assert not (home / "config.toml").exists()


def test_models(otto: Otto, home: Path) -> None:
    rows = [json.loads(line) for line in otto("models", "list", "--json").out.splitlines()]
    assert {"name": "small.en", "kind": "whisper", "installed": False, "megabytes": 486, "path": str(home / "models" / "whisper" / "small.en")} in rows
    assert "otto models pull small.en" in otto("models", "list").out
    ran = otto("models", "path", "small.en")
    assert (ran.code, ran.err) == (1, "The model small.en is not on this machine; download it with: otto models pull small.en.\n")
    assert otto("models", "path", "enormous").code == 2


def test_models_pull_without_a_network(otto: Otto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    ran = otto("models", "pull", "tiny.en")
    assert ran.code == 1
    assert ran.err.startswith("http://127.0.0.1:9 is out of reach; ")
