"""`otto eval run` as it is typed: exit codes, sentences, files, and a kill at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from eval.cli import app
from otto.cli import run_app
from tests.skills.desk import wait_for
from tests.web import Answer, Request, Site

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "eval" / "schemas"
valid_row = fastjsonschema.compile(json.loads((SCHEMAS / "result.json").read_text("utf-8")))
valid_summary = fastjsonschema.compile(json.loads((SCHEMAS / "summary.json").read_text("utf-8")))

SIGNATURES = {
    "skills": [
        {"name": "play", "description": "Play music.", "parameters": [{"name": "what", "type": "string", "required": True}]},
        {"name": "book", "description": "Book a table.", "parameters": [{"name": "place", "type": "string"}]},
        {"name": "rate", "description": "Rate a book.", "parameters": [{"name": "stars", "type": "string", "enum": ["one", "five"]}]},
    ]
}


@dataclass
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTTO_", "OPENAI_", "WANDB_"))}
    return {**kept, "OTTO_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process."""
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def start(*arguments: object, **more: str) -> Ended:
        typed = ["run", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", ["eval", *typed])
        for name, value in {**environment, **more}.items():
            monkeypatch.setenv(name, value)
        code = run_app(app, "otto eval", typed)
        found = Ended(code, *capsys.readouterr())
        assert "Traceback" not in found.stderr and "should not" not in found.stderr, found.stderr
        return found

    return start


def row(number: int, text: str, call: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"id": f"r{number}", "text": text, "skill": call and {"name": call["name"]}, "call": call, **more}


def play(what: str) -> dict[str, Any]:
    return {"name": "play", "arguments": {"what": what}}


TRAIN = [
    *(row(number, f"play some {kind}", play(kind)) for number, kind in enumerate(["jazz", "rock", "soul", "swing", "blues", "funk"])),
    *(row(10 + number, f"put on {kind} please", play(kind)) for number, kind in enumerate(["jazz", "rock", "soul", "opera"])),
    *(row(20 + n, f"book a table at {place}", {"name": "book", "arguments": {"place": place}}) for n, place in enumerate(["noma", "the ritz", "dino's"])),
    *(row(30 + n, f"{stars} stars for this book", {"name": "rate", "arguments": {"stars": stars}}) for n, stars in enumerate(["one", "five"])),
    *(row(40 + n, text, None) for n, text in enumerate(["the dog is asleep", "we were late again", "she never calls me back"])),
]
TEST = [
    row(0, "play some ska", play("ska")),
    row(1, "put on gospel please", play("gospel")),
    row(2, "book a table at luigi's", {"name": "book", "arguments": {"place": "luigi's"}}),
    row(3, "the cat is asleep", None),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "skills.json").write_text(json.dumps(SIGNATURES), encoding="utf-8")
    for name, rows in (("train", TRAIN), ("test", TEST)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in rows), encoding="utf-8")
    return tmp_path


def written(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary and the rows, as the schemas have them."""
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text("utf-8").splitlines()]
    valid_summary(summary)
    for item in rows:
        valid_row(item)
    return summary, rows


# --- what comes of it


def test_known_phrases(files: Path, run: Run) -> None:
    """A template of the training file is a phrase that the phrase book knows."""
    found = run("test.jsonl", "--skills", "skills.json", "--train", "train.jsonl", "--router", "phrases", "--out", "out")
    assert found.returncode == 0, found.stderr
    assert "The router learns from 18 sentences; 0 of the texts to be tested are among them." in found.stderr
    summary, rows = written(files / "out")
    assert [item["id"] for item in rows] == ["r0", "r1", "r2", "r3"]
    assert [item["predicted"] for item in rows][3] == ["other()"]
    assert (summary["asked"], summary["n"], summary["complete"], summary["skipped"]) == (4, 4, True, 0)
    assert summary["router"] == {"engine": "phrases", "model": "", "adapter": "", "prompt_sha256": ""}
    assert set(summary["data"]) == {"test.jsonl", "train.jsonl", "skills.json"}
    assert summary["command"][:4] == ["otto", "eval", "run", "test.jsonl"]
    assert {"otto", "python", "machine", "skills"} <= summary["versions"].keys()
    assert "exact call" in found.stdout and "Results: out" in found.stdout


def test_the_tagger_learns_from_a_training_file(files: Path, run: Run) -> None:
    found = run("test.jsonl", "--skills", "skills.json", "--train", "train.jsonl", "--router", "tagger", "--out", "out", "--json")
    assert found.returncode == 0, found.stderr
    summary = json.loads(found.stdout)
    valid_summary(summary)
    assert summary["skill_accuracy"]["n"] == 4
    assert summary["skill_accuracy"]["value"] >= 0.75
    assert summary["by_skill"]["play"]["exact_match"]["n"] == 2
    assert "router_weights" in summary["versions"]


def test_an_example_file_and_the_installed_skills(tmp_path: Path, run: Run) -> None:
    found = run(ROOT / "examples" / "timer_examples.txt", "--router", "phrases", "--limit", 30, "--out", "out", "--min-exact", "0.99")
    assert found.returncode == 0, found.stderr
    summary, rows = written(tmp_path / "out")
    assert summary["n"] == 30
    assert all(item["engine"] == "phrases" for item in rows)


def test_the_command_as_it_is_typed(files: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "otto", "eval", "run", "test.jsonl", "--skills", "skills.json", "--router", "phrases", "--min-exact", "0.5"]
    found = subprocess.run(command, cwd=files, env=environment, capture_output=True, text=True, timeout=120)
    assert found.returncode == 1
    assert found.stderr == "exact match is 0.2500 of 4, below 0.5.\n"


def test_the_default_folder(files: Path, run: Run) -> None:
    found = run("test.jsonl", "--skills", "skills.json", "--router", "phrases")
    assert found.returncode == 0
    (folder,) = (files / "eval-runs").iterdir()
    assert folder.name.endswith("-phrases")
    written(folder)


@pytest.mark.parametrize(("limits", "code", "says"), [
    (["--min-exact", "0", "--max-false-call", "0"], 0, ""),
    (["--min-exact", "0.9"], 1, "exact match is 0.2500 of 4, below 0.9."),
    (["--min-skill", "0.9", "--max-missed-call", "0.1"], 1, "missed call rate is 1.0000 of 3, above 0.1."),
    (["--min-f1", "0.1"], 1, "argument f1 is 0.0000 of 3, below 0.1."),
    (["--min-valid", "1", "--max-ece", "0.1"], 1, "ece is 0.2500 of 4, above 0.1."),
    (["--min-exact", "2"], 2, "--min-exact"),
])  # fmt: skip
def test_limits(limits: list[str], code: int, says: str, files: Path, run: Run) -> None:
    """Without examples, the phrase book knows nothing: all is other() with confidence one half."""
    found = run("test.jsonl", "--skills", "skills.json", "--router", "phrases", "--out", "out", *limits)
    assert (found.returncode, says in found.stderr) == (code, True), found.stderr


def test_a_limit_on_a_rate_that_no_case_has(files: Path, run: Run) -> None:
    (files / "test.jsonl").write_text(json.dumps(TEST[0]) + "\n", encoding="utf-8")
    found = run("test.jsonl", "--skills", "skills.json", "--router", "phrases", "--max-false-call", "0.5")
    assert found.returncode == 1
    assert "false call rate has a limit, and there is no case for it." in found.stderr


# --- refusals


REFUSALS: list[tuple[list[str], str]] = [
    ([], "There are no cases; give a .jsonl file"),
    (["test.jsonl", "--router", "oracle"], "There is no router oracle; use one of: embedded"),
    (["test.jsonl", "--router", "phrases", "--model", "x"], "--model does not fit the router phrases"),
    (["test.jsonl", "--router", "embedded", "--prompt", "x"], "--prompt does not fit the router embedded"),
    (["test.jsonl", "--router", "openai", "--adapter", "x"], "--adapter does not fit the router openai"),
    (["test.jsonl", "--router", "openai", "--prompt", "x", "--prompt-file", "y"], "--prompt and --prompt-file both give the prompt"),
    (["test.jsonl", "--router", "phrases", "--concurrency", "2"], "are for servers, and phrases is none"),
    (["test.jsonl", "--router", "phrases", "--budget", "2"], "are for servers, and phrases is none"),
    (["test.jsonl", "--router", "phrases", "--snr", "24"], "--snr says how loud a noise is, and there is none"),
    (["test.jsonl", "--router", "phrases", "--snr", "loud", "--noise", "x"], "--snr loud is no list of decibels"),
    (["test.jsonl", "--router", "phrases", "--noise", "n.wav"], "--noise needs to know how loud"),
    (["test.jsonl", "--router", "phrases", "--stt", "whisper"], "--stt and --noise are for recordings, and no case has one"),
    (["test.jsonl", "--router", "phrases", "--candidates", "4"], "--candidates 4 does not fit 3 skills"),
    (["test.jsonl", "--router", "phrases", "--train", "none.jsonl"], "none.jsonl: this cannot be read (No such file or directory)"),
    (["test.jsonl", "--router", "openai", "--model", "tiny", "--prompt-file", "none.txt"], "The prompt none.txt cannot be read"),
    (["none.jsonl"], "none.jsonl: this cannot be read (No such file or directory)"),
    (["--out", "nowhere"], "nowhere holds no run to go on with"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSALS, ids=[" ".join(item[0]) or "nothing" for item in REFUSALS])
def test_a_refusal_is_a_sentence(arguments: list[str], says: str, files: Path, run: Run) -> None:
    skills = ["--skills", "skills.json"] if "--out" not in arguments else []
    found = run(*arguments, *skills)
    assert found.returncode in (1, 2)
    assert says in found.stderr
    assert found.stdout == ""


def test_skills_that_cannot_be_read(files: Path, run: Run) -> None:
    found = run("test.jsonl", "--skills", "none.json", "--router", "phrases")
    assert found.returncode == 1
    assert "none.json is not a file of skill signatures" in found.stderr


def test_bad_rows_are_all_named_before_anything_runs(files: Path, run: Run) -> None:
    with open(files / "test.jsonl", "a", encoding="utf-8") as file:
        file.write('{"id": "r0", "text": "x", "call": null}\nno json\n{"id": "x", "text": "x", "call": "tea()"}\n')
    arguments = ["test.jsonl", "--skills", "skills.json", "--router", "phrases", "--out", "out"]
    found = run(*arguments)
    assert found.returncode == 1
    assert [line.split(":")[1] for line in found.stderr.splitlines() if line.startswith("  test.jsonl:")] == ["5", "6", "7"]
    assert not (files / "out").exists()
    found = run(*arguments, "--skip-bad")
    assert found.returncode == 0
    assert "Skipped: test.jsonl:6: this is not JSON" in found.stderr
    assert "3 bad rows were left out." in found.stdout
    summary, _ = written(files / "out")
    assert (summary["skipped"], summary["asked"], summary["n"]) == (3, 4, 4)


def test_a_bad_training_file_is_named_with_the_cases(files: Path, run: Run) -> None:
    for name in ("test", "train"):
        with open(files / f"{name}.jsonl", "a", encoding="utf-8") as file:
            file.write("no json\n")
    arguments = ["test.jsonl", "--skills", "skills.json", "--train", "train.jsonl", "--router", "phrases", "--out", "out"]
    found = run(*arguments)
    assert found.returncode == 1
    assert [line.split(":")[0].strip() for line in found.stderr.splitlines()[1:]] == ["train.jsonl", "test.jsonl"]
    found = run(*arguments, "--skip-bad")
    assert found.returncode == 0
    assert "Bad rows of the training file that are left out: 1, the first: train.jsonl:" in found.stderr
    assert written(files / "out")[0]["skipped"] == 1
    found = run("test.jsonl", "--skills", "skills.json", "--train", "none.jsonl", "--router", "phrases", "--skip-bad")
    assert found.returncode == 1
    assert "none.jsonl: this cannot be read" in found.stderr


# --- to go on


def test_a_run_is_gone_on_with_by_its_folder_alone(files: Path, run: Run) -> None:
    assert run("test.jsonl", "--skills", "skills.json", "--router", "phrases", "--seed", 3, "--out", "out").returncode == 0
    results = files / "out" / "results.jsonl"
    whole = results.read_bytes()
    lines = whole.splitlines(keepends=True)
    results.write_bytes(lines[0] + lines[1][:40])
    found = run("--out", "out")
    assert found.returncode == 0
    assert "1 of 4 cases were run before and are not run again." in found.stderr
    summary, rows = written(files / "out")
    assert [item["id"] for item in rows] == ["r0", "r1", "r2", "r3"]
    assert results.read_bytes().startswith(lines[0])
    assert (summary["seed"], summary["command"][3]) == (3, "test.jsonl")


def test_a_folder_alone_takes_no_other_options(files: Path, run: Run) -> None:
    assert run("test.jsonl", "--skills", "skills.json", "--router", "phrases", "--out", "out").returncode == 0
    for other in (["--limit", 2], ["--router", "phrases"], ["--skip-bad"]):
        refused = run("--out", "out", *other)
        assert refused.returncode == 2
        assert "Without cases, the run in --out goes on as it was asked" in refused.stderr


@pytest.mark.parametrize(("change", "says"), [
    (["--seed", "1"], "seed"),
    (["--limit", "2"], "limit"),
    (["--train", "train.jsonl"], "train"),
    (["--skills", "installed"], None),
])  # fmt: skip
def test_another_run_is_not_mixed_in(change: list[str], says: str | None, files: Path, run: Run) -> None:
    arguments = ["test.jsonl", "--skills", "skills.json", "--router", "phrases", "--out", "out"]
    assert run(*arguments).returncode == 0
    before = (files / "out" / "results.jsonl").read_bytes()
    found = run(*arguments, *change)
    assert found.returncode in (1, 2)
    assert says is None or f"out holds another run ({says}" in found.stderr
    assert (files / "out" / "results.jsonl").read_bytes() == before


def test_changed_cases_are_another_run(files: Path, run: Run) -> None:
    arguments = ["test.jsonl", "--skills", "skills.json", "--router", "phrases", "--out", "out"]
    assert run(*arguments).returncode == 0
    with open(files / "test.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row(9, "play some polka", play("polka"))) + "\n")
    found = run(*arguments)
    assert (found.returncode, "out holds another run (test.jsonl)" in found.stderr) == (2, True)


# --- servers and kills


def chats(site: Site) -> list[Request]:
    return site.asked("/v1/chat/completions")


def said_to(request: Request) -> str:
    return str(json.loads(request.body)["messages"][-1]["content"])


def completion(content: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice], "usage": {"total_tokens": 100}}
    return json.dumps(answer).encode()


def right(request: Request) -> Answer:
    return 200, "application/json", completion(f'play(what="{said_to(request).removeprefix("play ")}")')


@pytest.fixture
def many(files: Path) -> list[str]:
    """The arguments of sixty cases for a server."""
    rows = [row(number, f"play song {number}", play(f"song {number}")) for number in range(60)]
    (files / "many.jsonl").write_text("".join(json.dumps(item) + "\n" for item in rows), encoding="utf-8")
    return ["many.jsonl", "--skills", "skills.json", "--router", "openai", "--model", "tiny", "--out", "out"]


def test_a_server_that_dies(many: list[str], files: Path, run: Run, site: Site) -> None:
    def dies(request: Request) -> Answer:
        return right(request) if len(chats(site)) <= 10 else (500, "application/json", b'{"error": {"message": "out of memory"}}')

    site.routes["/v1/chat/completions"] = dies
    server = {"OTTO_ROUTER_BASE_URL": f"{site.url}/v1"}
    found = run(*many, "--attempts", 1, **server)
    assert found.returncode == 1
    summary, rows = written(files / "out")
    assert (summary["asked"], summary["n"], summary["complete"]) == (60, len(rows), False)
    assert 0 < len(rows) <= 10
    assert f"Only {len(rows)} of 60 cases were run, and the rates are of these alone." in found.stderr
    assert "failed with status 500 (out of memory)" in found.stderr
    assert "Go on with: otto eval run --out out" in found.stderr
    site.routes["/v1/chat/completions"] = right
    assert run("--out", "out", **server).returncode == 0
    summary, rows = written(files / "out")
    assert (summary["n"], summary["complete"], summary["exact_match"]["value"]) == (60, True, 1.0)
    assert len({item["id"] for item in rows}) == 60


def test_a_server_that_was_never_there(many: list[str], files: Path, run: Run) -> None:
    found = run(*many, "--attempts", 1, OTTO_ROUTER_BASE_URL="http://127.0.0.1:9/v1")
    assert found.returncode == 1
    assert "Only 0 of 60 cases were run" in found.stderr
    assert "127.0.0.1:9 does not answer" in found.stderr
    assert not (files / "out" / "summary.json").exists()  # a score of nothing is none


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_kill_loses_nothing_and_repeats_nothing(concurrency: int, many: list[str], files: Path, environment: dict[str, str], site: Site, run: Run) -> None:
    gate = threading.Semaphore(0)

    def slowly(request: Request) -> Answer:
        gate.acquire(timeout=30)
        return right(request)

    site.routes["/v1/chat/completions"] = slowly
    server = {"OTTO_ROUTER_BASE_URL": f"{site.url}/v1"}
    arguments = [*many, "--concurrency", str(concurrency), "--no-cache"]
    results = files / "out" / "results.jsonl"
    unfinished = 0
    for goal in (7, 20, 41):
        process = subprocess.Popen([sys.executable, "-m", "eval", "run", *arguments], cwd=files, env={**environment, **server}, stdout=subprocess.DEVNULL)
        while not results.is_file() or results.read_bytes().count(b"\n") < goal:
            gate.release()
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        unfinished += concurrency  # what was under way had no row yet
        for _ in range(100):
            gate.release()
    before = results.read_bytes()
    done = {json.loads(line)["id"] for line in before.splitlines(keepends=True) if line.endswith(b"\n")}
    assert len(done) >= 41
    for _ in range(500):
        gate.release()
    seen = len(chats(site))
    found = run(*arguments, **server)
    assert found.returncode == 0, found.stderr
    summary, rows = written(files / "out")
    assert Counter(item["id"] for item in rows) == Counter(f"r{number}" for number in range(60))
    assert (summary["n"], summary["complete"], summary["exact_match"]["value"]) == (60, True, 1.0)
    asked_again = {f"r{said_to(request).rpartition(' ')[2]}" for request in chats(site)[seen:]}
    assert asked_again.isdisjoint(done)
    assert len(chats(site)) <= 60 + unfinished


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_local_router_is_killed_at_any_moment(files: Path, environment: dict[str, str], run: Run) -> None:
    rows = [row(number, f"play song {number}", play(f"song {number}")) for number in range(3000)]
    (files / "many.jsonl").write_text("".join(json.dumps(item) + "\n" for item in rows), encoding="utf-8")
    arguments = ["many.jsonl", "--skills", "skills.json", "--router", "phrases", "--out", "out"]
    results = files / "out" / "results.jsonl"
    for part in (1, 500, 1400):
        process = subprocess.Popen([sys.executable, "-m", "eval", "run", *arguments], cwd=files, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda part=part: results.is_file() and results.read_bytes().count(b"\n") >= part)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = results.read_bytes()
    kept = kept[: kept.rindex(b"\n") + 1]
    assert run(*arguments).returncode == 0
    summary, found = written(files / "out")
    assert results.read_bytes().startswith(kept)
    assert [item["id"] for item in found] == [f"r{number}" for number in range(3000)]
    assert (summary["n"], summary["complete"]) == (3000, True)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
def test_ctrl_c_leaves_a_summary_of_what_was_run(many: list[str], files: Path, environment: dict[str, str], site: Site) -> None:
    site.routes["/v1/chat/completions"] = lambda request: (time.sleep(0.05), right(request))[1]
    command = [sys.executable, "-m", "eval", "run", *many, "--concurrency", "1"]
    process = subprocess.Popen(command, cwd=files, env={**environment, "OTTO_ROUTER_BASE_URL": f"{site.url}/v1"}, stderr=subprocess.PIPE, text=True)
    results = files / "out" / "results.jsonl"
    wait_for(lambda: results.is_file() and results.read_bytes().count(b"\n") >= 3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Stopped. Go on with: otto eval run --out out" in errors
    summary, rows = written(files / "out")
    assert summary["n"] == len(rows) < 60
    assert not summary["complete"]


# --- prompts


def test_a_prompt_of_ones_own_is_asked_with(files: Path, run: Run, site: Site) -> None:
    site.routes["/v1/chat/completions"] = lambda request: (200, "application/json", completion("other()"))
    server = {"OTTO_ROUTER_BASE_URL": f"{site.url}/v1"}
    arguments = ["test.jsonl", "--skills", "skills.json", "--router", "openai", "--model", "tiny", "--limit", 1]
    assert run(*arguments, "--prompt", "These alone:\n$skills", "--out", "a", **server).returncode == 0
    assert json.loads(chats(site)[-1].body)["messages"][0]["content"].startswith("These alone:\n- play(")
    (files / "own.txt").write_text("From a file: $skills", encoding="utf-8")
    assert run(*arguments, "--prompt-file", "own.txt", "--out", "b", **server).returncode == 0
    assert json.loads(chats(site)[-1].body)["messages"][0]["content"].startswith("From a file: - play(")
    assert run(*arguments, "--out", "c", **server).returncode == 0
    hashes = [written(files / name)[0]["router"]["prompt_sha256"] for name in "abc"]
    assert len(set(hashes)) == 3 and all(len(item) == 64 for item in hashes)


def test_a_prompt_of_another_family_is_an_error(files: Path, run: Run) -> None:
    (files / "own.txt").write_text("<s>[INST] $utterance [/INST]", encoding="utf-8")
    found = run("test.jsonl", "--skills", "skills.json", "--router", "openai", "--model", "tiny", "--prompt-file", "own.txt", OTTO_ROUTER_BASE_URL="http://127.0.0.1:9/v1")
    assert found.returncode == 2
    assert "The prompt, written for mistral-instruct, does not fit the model tiny" in found.stderr
