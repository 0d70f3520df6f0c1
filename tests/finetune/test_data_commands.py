"""`otto finetune data …` as a user has it: arguments in; exit code, rows and report out."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from finetune.cli import app
from otto import Call
from otto.cli import run_app
from otto.examples import parse_example_file
from otto.history import History
from otto.messages import Result, Route, Transcript, Turn
from otto.store import DATABASE_NAME, Database
from tests.web import Answer, Request, Site

Run = Callable[..., tuple[int, str, str]]

SKILL = '''"""Tea."""
from typing import Literal

from otto import skill


@skill(idempotent=True)
def tea(kind: Literal["green", "black"], minutes: int | None = None) -> str:
    """Make tea."""
    return "Here."
'''
EXAMPLES = """#### Prompt:
tea(kind="[kind]") makes tea.

#### Prompt Examples:

### User: make some green tea
### Assistant: tea(kind="green")

#### Examples:

### User: brew black tea for four minutes
### Assistant: tea(kind="black", minutes=4)

### User: a cup of green please
### Assistant: tea(kind="green")

### User: I like tea
### Assistant: other()
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """A command with the skill tea alone."""
    monkeypatch.setenv("OTTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / "tea.py").write_text(SKILL, encoding="utf-8")
    (tmp_path / "skills" / "tea_examples.txt").write_text(EXAMPLES, encoding="utf-8")

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        takes_skills = {"collect", "generate", "pairs", "reflect"} & {str(arguments[0])}
        more = ["--skills", str(tmp_path / "skills")] if takes_skills else []
        code = run_app(app, "otto finetune", ["data", *map(str, arguments), *more])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_collect(run: Run, tmp_path: Path) -> None:
    code, out, err = run("collect", tmp_path / "skills", "--format", "chatml", "--report", tmp_path / "report.json", "--held-out", "0")
    assert code == 0, err
    found = rows(out)
    assert [row["completion"] for row in found] == ['tea(kind="green")', 'tea(kind="black", minutes=4)', 'tea(kind="green")', "other()"]
    assert list(found[0]) == ["prompt", "completion", "skill", "template", "source", "split", "utterance"]
    assert "4 examples became 4 rows; 0 were left out." in err
    assert "None is longer than the 8,192 tokens that the model reads: nothing would be cut." in err
    assert "an estimate" in err
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["rows"], report["skills"]) == (4, {"other": {"train": 1}, "tea": {"train": 3}})


def test_collect_names_what_would_be_cut_and_left_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "skills" / "tea_examples.txt").write_text(EXAMPLES + "\n### User: I like TEA!\n### Assistant: other()\n", encoding="utf-8")
    code, out, err = run("collect", "--limit", "16", "--held-out", "0")
    assert (code, len(rows(out))) == (0, 4)
    assert "4 rows are longer than the model's 16 tokens, and training would cut them:" in err
    assert "tea_examples.txt:7: 'make some green tea'" in err
    assert "left out, duplicate: 1" in err


def test_the_report_has_all_that_was_left_out(run: Run, tmp_path: Path) -> None:
    more = "".join(f"\n### User: I like tea{'!' * number}\n### Assistant: other()\n" for number in range(1, 13))
    (tmp_path / "skills" / "tea_examples.txt").write_text(EXAMPLES + more, encoding="utf-8")
    _, _, err = run("collect", "--report", tmp_path / "report.json", "--held-out", "0")
    assert "… and 2 more" in err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["dropped"] == {"duplicate": 12}
    last = {"where": "tea_examples.txt:54", "said": "I like tea!!!!!!!!!!!!", "call": "other()", "why": "duplicate", "more": "of tea_examples.txt:18"}
    assert (len(report["left_out"]), report["left_out"][-1]) == (12, last)


def test_no_figure_loses_a_digit_in_a_narrow_window(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = {"prompt": "tea " * 70_000, "completion": "other()"}
    (tmp_path / "rows.json").write_text((json.dumps(long) + "\n") * 5, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "40")
    _, shown, _ = run("tokens", tmp_path / "rows.json")
    _, counted, _ = run("tokens", tmp_path / "rows.json", "--json")
    assert f"{json.loads(counted)['conversation']['sum']:,}" in shown


def test_collect_with_corrections(run: Run, tmp_path: Path) -> None:
    keep_corrections(tmp_path)
    _, out, _ = run("collect", "--fixes", "--held-out", "0")
    assert rows(out)[-1]["completion"] == ' tea(kind="black")'
    assert rows(out)[-1]["source"] == "otto fix 1"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["collect", "none_examples.txt"], 1, "none_examples.txt cannot be read (No such file or directory); check its path."),
        (["collect", "--format", "gpt-2"], 2, "There is no format gpt-2; use one of: mistral-instruct"),
        (["collect", "--tokenizer", "nowhere"], 1, "give --tokenizer the folder of a model that has a tokenizer.json."),
        (["generate", "--skill", "coffee", "--offline"], 1, "There is no skill coffee; see `otto skills list`."),
        (["generate", "--skill", "tea"], 1, "No model is named to ask; name one with --model"),
        (["generate", "--skill", "tea", "--model", "big"], 1, "OpenAI needs a key and there is none; put it in the environment variable OPENAI_API_KEY"),
        (["generate", "--skill", "tea", "--offline", "--append"], 2, "--append asks about each example and there is no terminal; add --yes"),
        (["pairs"], 2, "There is nothing to make pairs of; give --rows FILE, --ranked FILE or --fixes."),
        (["pairs", "--rows", "none.json"], 1, "none.json cannot be read"),
        (["reflect", "none.json"], 1, "none.json cannot be read"),
        (["tokens", "none.json"], 1, "none.json cannot be read"),
        (["tokens", "/dev/null"], 1, "/dev/null has no rows; collect some with `otto finetune data collect`."),
        (["convert", "none.csv", "out.jsonl"], 1, "none.csv cannot be read (No such file or directory)"),
        (["convert", "a.xlsx", "out.jsonl"], 2, "a.xlsx is not a file that can be converted"),
    ],
)
def test_refusals_are_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_broken_skills_are_no_data(run: Run, tmp_path: Path) -> None:
    (tmp_path / "skills" / "bad.py").write_text("x = (", encoding="utf-8")
    code, out, err = run("collect")
    assert (code, out) == (1, "")
    assert "bad.py:1" in err


def test_from_examples_to_pairs_and_reflections(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    path.write_text(run("collect", "--held-out", "0")[1], encoding="utf-8")
    code, out, err = run("pairs", "--rows", path, "--a-row", "2")
    assert code == 0, err
    assert {"prompt", "chosen", "rejected", "why"} <= rows(out)[0].keys()
    assert all(row["chosen"] != row["rejected"] for row in rows(out))
    code, out, err = run("reflect", path, "--mistakes", "0.5")
    assert (code, len(rows(out))) == (0, 4)
    assert "4 rows: 2 with a planted mistake, 2 clean" in err
    code, out, err = run("tokens", path, "--epochs", "2")
    assert code == 0
    assert "a message, assistant" in out
    assert "Estimates, for 2 epochs" in out
    code, out, _ = run("tokens", path, "--json")
    assert (code, json.loads(out)["rows"]) == (0, 4)


def test_rows_of_other_skills_are_refused(run: Run, tmp_path: Path) -> None:
    row = {"prompt": "p", "completion": "coffee()", "skill": "coffee", "utterance": "coffee", "source": "coffee.txt:3"}
    (tmp_path / "rows.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
    code, out, err = run("pairs", "--rows", tmp_path / "rows.json")
    assert (code, out) == (1, "")
    assert "row 1 (coffee.txt:3): There is no skill coffee; see `otto skills list`" in err


def test_pairs_of_ranked_answers_and_corrections(run: Run, tmp_path: Path) -> None:
    keep_corrections(tmp_path)
    tree = [
        {"id": "q", "conversation_id": "c1", "role": "user", "text": "hi"},
        {"id": "a", "conversation_id": "c1", "parent_id": "q", "role": "assistant", "text": "hello", "likes": 4},
        {"id": "b", "conversation_id": "c1", "parent_id": "q", "role": "assistant", "text": "what", "likes": 0},
    ]
    (tmp_path / "trees.jsonl").write_text("\n".join(map(json.dumps, tree)) + "\n{", encoding="utf-8")
    code, out, err = run("pairs", "--ranked", tmp_path / "trees.jsonl")
    assert (code, rows(out)[0]["chosen"]) == (0, [{"role": "assistant", "content": "hello"}])
    assert "trees.jsonl:4" in err
    code, out, err = run("pairs", "--fixes")
    assert (code, rows(out)[0]["chosen"], rows(out)[0]["rejected"]) == (0, ' tea(kind="black")', ' tea(kind="green")')
    code, _, err = run("pairs", "--fixes", "--ranked", tmp_path / "trees.jsonl")
    assert (code, err) == (2, "Ranked answers are messages and the other pairs are prompts; make two files of them.\n")


def keep_corrections(tmp_path: Path) -> None:
    """A turn that went wrong, and its correction."""
    database = Database(tmp_path / "home" / "data" / DATABASE_NAME)
    history = History(database)
    call = Call("tea", {"kind": "green"})
    route = Route("the strong one", (call,), 0.9, "tagger", 1.0)
    turn = Turn(Transcript("the strong one", "typed", 0.0), route, (Result(call, "Here.", True, 1.0),))
    history.correct(history.add(turn, datetime.now(timezone.utc)), Call("tea", {"kind": "black"}))
    database.close()


def test_generate_offline_prints_an_example_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "skills" / "tea_examples.txt"
    more = EXAMPLES + '\n### User: i will have a green one in eleven minutes\n### Assistant: tea(kind="green", minutes=11)\n'
    path.write_text(more, encoding="utf-8")
    code, out, err = run("generate", "--skill", "tea", "--offline", "--n", "2")
    assert code == 0, err
    said = {example.text: str(example.call) for example in parse_example_file(f"#### Examples:\n{out}", "").examples}
    assert said == {
        "brew black tea for eleven minutes": 'tea(kind="black", minutes=11)',
        "i will have a green one in four minutes": 'tea(kind="green", minutes=4)',
    }
    assert path.read_text("utf-8") == more, "nothing is added unasked"


class Terminal(io.StringIO):
    """Somebody who types these lines."""

    def isatty(self) -> bool:
        return True


def test_generate_asks_about_each_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "skills" / "tea_examples.txt"
    path.write_text(EXAMPLES + '\n### User: i will have a green one in eleven minutes\n### Assistant: tea(kind="green", minutes=11)\n', encoding="utf-8")
    before = path.read_text("utf-8")
    monkeypatch.setattr("sys.stdin", Terminal("n\ny\n"))
    code, out, err = run("generate", "--skill", "tea", "--offline", "--n", "2", "--append")
    assert (code, out, err.count("Add it? [y/N]")) == (0, "", 2)
    added = path.read_text("utf-8").removeprefix(before)
    assert added.count("### User: ") == 1
    assert re.findall("### User: .*", added) == re.findall("### User: .*", err)[1:], "the second one"


def test_generate_adds_what_a_server_gives(run: Run, tmp_path: Path, site: Site) -> None:
    given = [("strong black tea for six minutes", {"kind": "black", "minutes": 6}), ("make some green tea!", {"kind": "green", "minutes": None})]
    arguments = json.dumps({"examples": [{"said": said, "arguments": found} for said, found in given]})
    message = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "add_examples", "arguments": arguments}}]}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    site.serve("/v1/chat/completions", json.dumps({"choices": [{"message": message}], "usage": usage}))
    server = ["--model", "tiny", "--base-url", f"{site.url}/v1", "--price-in", "1", "--price-out", "10"]
    code, out, err = run("generate", "--skill", "tea", "--n", "1", "--append", "--yes", *server)
    assert (code, out) == (0, ""), err
    assert "1 requests, 1,000 tokens read and 100 written, 0.0020 dollars" in err
    assert (tmp_path / "skills" / "tea_examples.txt").read_text("utf-8") == (
        EXAMPLES + '\n### User: strong black tea for six minutes\n### Assistant: tea(kind="black", minutes=6)\n'
    )
    code, out, err = run("generate", "--skill", "tea", "--n", "1", *server)
    assert (code, out) == (1, "")
    assert "left out, duplicate: 8" in err
    assert "Only 0 of 1: nothing new came any more; a higher --near lets more pass, the reasons are above." in err


def test_generate_goes_on_where_its_server_died(run: Run, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.data.server.RETRIES", 0)
    arguments = json.dumps({"examples": [{"said": "strong black tea for six minutes", "arguments": {"kind": "black", "minutes": 6}}]})
    answer = json.dumps({"choices": [{"message": {"content": arguments}}]})
    left = [(200, "application/json", answer.encode()), (503, "text/plain", b"")]
    site.routes["/v1/chat/completions"] = lambda request: left.pop(0)
    command = ["generate", "--skill", "tea", "--n", "2", "--model", "tiny", "--base-url", f"{site.url}/v1"]
    code, out, err = run(*command)
    assert (code, out) == (1, "")
    assert "failed with status 503" in err
    assert "give the same command again." in err
    left.append((200, "application/json", answer.replace("strong black tea for six", "weak black stuff with sugar for nine").replace(" 6}", " 9}").replace(": 6", ": 9").encode()))
    code, out, err = run(*command)
    assert code == 0, err
    assert [line for line in out.splitlines() if line.startswith("### User")] == [
        "### User: strong black tea for six minutes",
        "### User: weak black stuff with sugar for nine minutes",
    ]


def test_what_a_file_has_already_is_not_added_to_it_again(run: Run, tmp_path: Path) -> None:
    more = '\n### User: i will have a green one in eleven minutes\n### Assistant: tea(kind="green", minutes=11)\n'
    (tmp_path / "skills" / "tea_examples.txt").write_text(EXAMPLES + more, encoding="utf-8")
    command = ["generate", "--skill", "tea", "--offline", "--n", "1", "--append", "--yes", "--file", tmp_path / "more_examples.txt"]
    assert run(*command)[0] == 0
    first = (tmp_path / "more_examples.txt").read_text("utf-8")
    run(*command)
    said = re.findall("### User: .*", (tmp_path / "more_examples.txt").read_text("utf-8"))
    assert first.count("### User: ") == 1
    assert len(said) == len(set(said)), "the second run found others, or none"


def test_offline_says_who_knows_more(run: Run) -> None:
    code, _, err = run("generate", "--skill", "tea", "--offline", "--n", "200")
    assert code == 1
    assert re.search(r"Only \d+ of 200: nothing new came any more; a server knows more: --model NAME\.", err)


def test_pairs_that_a_server_was_paid_for_are_not_paid_again(run: Run, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three requests the second fails for good, so the command ends; given again it asks for the second and third alone."""
    monkeypatch.setattr("finetune.data.server.RETRIES", 0)
    (tmp_path / "rows.json").write_text("\n".join(run("collect", "--held-out", "0")[1].splitlines()[:3]) + "\n", encoding="utf-8")
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(json.loads(request.body)["messages"][1]["content"])
        call = json.dumps({"call": 'tea(kind="black", minutes=90)'})
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        body = json.dumps({"choices": [{"message": {"content": call}}], "usage": usage}).encode()
        return (503, "text/plain", b"") if len(asked) == 2 else (200, "application/json", body)

    site.routes["/v1/chat/completions"] = answer
    command = [
        "pairs",
        "--rows",
        tmp_path / "rows.json",
        "--ask",
        "--model",
        "tiny",
        "--base-url",
        f"{site.url}/v1",
        "--price-in",
        "1",
        "--price-out",
        "10",
    ]
    code, out, err = run(*command)
    assert (code, len(rows(out)), len(asked)) == (1, 1, 2)
    assert "failed with status 503" in err
    code, out, err = run(*command)
    assert (code, len(rows(out)), len(asked)) == (0, 3, 4), err
    assert asked[1] == asked[2], "the first is not asked again"
    assert "Going on with" in err
    assert "300 tokens read and 30 written, 0.0006 dollars" in err, "those of both runs"
    run(*command)
    assert len(asked) == 7, "a run that is done leaves nothing behind"


def test_no_pairs_is_said(run: Run) -> None:
    assert run("pairs", "--fixes") == (1, "", "No pairs.\n")


def test_a_file_is_not_converted_into_itself(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"prompt": "hi", "completion": "yo"}\nbroken\n', encoding="utf-8")
    before = path.read_bytes()
    code, _, err = run("convert", path, path)
    assert (code, path.read_bytes()) == (2, before)
    assert "is the file itself, and what cannot be read of it would be lost; name another file for the rows." in err


def test_convert(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("prompt,completion\nhi,yo\n,x\n", encoding="utf-8")
    code, out, err = run("convert", tmp_path / "in.csv", tmp_path / "out.jsonl")
    assert (code, out) == (1, "")
    assert "row 2 (line 3), column prompt: it is empty" in err
    assert (tmp_path / "out.jsonl").read_text() == '{"prompt": "hi", "completion": "yo"}\n'
    assert rows((tmp_path / "out.jsonl.rejected.jsonl").read_text())[0]["column"] == "prompt"


def test_help_names_every_command(run: Run) -> None:
    _, out, _ = run("--help")
    for command in ("collect", "generate", "convert", "tokens", "pairs", "reflect"):
        assert f" {command} " in out


