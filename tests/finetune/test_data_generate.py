"""Generating: what a server or the phrase book gives is checked, and a run that is broken off goes on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.data import server as servers
from finetune.data.candidates import Candidate, Checker
from finetune.data.generate import append, asker, form_of, generate, sampler
from finetune.data.journal import BrokenAnswer, Journal
from finetune.data.server import Form, Server
from otto.errors import ExampleError, ModelError, NetworkError, StoreError, UsageError
from otto.examples import parse_example_file
from otto.skill import SkillSpec, declare
from tests.router import toy
from tests.web import Answer, Request, Site

REGISTRY = toy.registry()
HEAD = {"skill": "timer"}
FORM = Form("f", "F", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    REGISTRY.install()
    monkeypatch.setattr(servers, "RETRIES", 2)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.01)


def tool_answer(arguments: object, prompt_tokens: int = 100, completion_tokens: int = 20) -> bytes:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": text}}
    return completion({"role": "assistant", "content": None, "tool_calls": [call]}, prompt_tokens, completion_tokens)


def completion(message: dict[str, Any], prompt_tokens: int = 100, completion_tokens: int = 20) -> bytes:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    return json.dumps({"choices": [{"index": 0, "message": message}], "usage": usage}).encode()


def examples(*pairs: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"examples": [{"said": said, "arguments": arguments} for said, arguments in pairs]}


def serve(site: Site, *answers: bytes | Answer | Callable[[Request], Answer | None]) -> Server:
    """A server that gives these answers, the last one again and again."""
    left = list(answers)

    def route(request: Request) -> Answer | None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if callable(answer):
            return answer(request)
        return (200, "application/json", answer) if isinstance(answer, bytes) else answer

    site.routes["/v1/chat/completions"] = route
    return Server(f"{site.url}/v1", "tiny", "sk-x")


def half(body: bytes) -> Callable[[Request], None]:
    """Promise more than is sent, and hang up."""

    def route(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2])
        request.wfile.flush()
        request.close_connection = True

    return route


def busy(after: str = "0.01") -> Callable[[Request], None]:
    def route(request: Request) -> None:
        request.send_response(429)
        request.send_header("Retry-After", after)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return route


# --- the server


def test_the_request_is_a_function_call(site: Site) -> None:
    server = serve(site, tool_answer({"a": 1}))
    assert server.ask("be good", "give", FORM) == {"a": 1}
    asked = json.loads(site.requests[0].body)
    assert asked["tools"][0]["function"]["parameters"] == FORM.schema
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert asked["messages"] == [{"role": "system", "content": "be good"}, {"role": "user", "content": "give"}]
    assert site.requests[0].headers["Authorization"] == "Bearer sk-x"
    assert server.spent.to_json() == {"requests": 1, "prompt_tokens": 100, "completion_tokens": 20, "broken": 0, "uncounted": 0}
    assert server.spent.dollars(2.0, 10.0) == pytest.approx(0.0004)


def test_answers_without_a_word_on_their_tokens_are_counted(site: Site) -> None:
    server = serve(site, json.dumps({"choices": [{"message": {"content": '{"a": 1}'}}]}).encode())
    assert server.ask("s", "p", FORM) == {"a": 1}
    assert server.spent.to_json() == {"requests": 1, "prompt_tokens": 0, "completion_tokens": 0, "broken": 0, "uncounted": 1}


def test_a_server_without_functions_is_asked_for_json_and_then_for_text(site: Site) -> None:
    refused = (400, "application/json", b'{"error": {"message": "no"}}')
    server = serve(site, refused, refused, completion({"role": "assistant", "content": 'Sure!\n```json\n{"a": 2}\n```'}))
    assert server.ask("s", "p", FORM) == {"a": 2}
    asked = [json.loads(request.body) for request in site.requests]
    assert ["tools" in item for item in asked] == [True, False, False]
    assert ["response_format" in item for item in asked] == [False, True, False]
    assert json.dumps(FORM.schema) in asked[2]["messages"][1]["content"]
    assert server.ask("s", "p", FORM) == {"a": 2}
    assert len(site.requests) == 4, "it is spared what it refused"


def test_a_busy_server_is_asked_again_when_it_says(site: Site) -> None:
    server = serve(site, busy(), busy(), tool_answer({"a": 1}))
    assert server.ask("s", "p", FORM) == {"a": 1}
    assert len(site.requests) == 3


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"[]", b"{}", b'{"choices": []}', tool_answer('{"a": 1'), tool_answer("[1]"), completion({"content": "no"}), completion({"content": None})],
)
def test_broken_answers(site: Site, body: bytes) -> None:
    server = serve(site, body)
    with pytest.raises(BrokenAnswer):
        server.ask("s", "p", FORM)
    assert server.spent.broken == 1


def test_half_an_answer(site: Site) -> None:
    server = serve(site, half(tool_answer({"a": 1})))
    with pytest.raises(BrokenAnswer, match="stopped in the middle"):
        server.ask("s", "p", FORM)


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ((401, "text/plain", b"who?"), ModelError, "refused the key; put a valid one in the environment variable that --api-key-env names"),
        ((429, "text/plain", b""), NetworkError, "allows no more requests for now; wait a little, and give the same command again"),
        ((500, "text/plain", b"oops"), NetworkError, "failed with status 500"),
        ((404, "text/plain", b"no such model"), ModelError, "has no model tiny"),
    ],
)
def test_failures(site: Site, answer: Answer, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        serve(site, answer).ask("s", "p", FORM)


def test_a_server_that_is_dead(site: Site) -> None:
    server = serve(site, b"")
    site.close()
    with pytest.raises(NetworkError, match="does not answer; check that it runs, and give the same command again"):
        server.ask("s", "p", FORM)


def test_the_server_of_the_settings_and_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTTO_HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with pytest.raises(ModelError, match="name one with --model"):
        Server.of()
    assert Server.of("big").key == "sk-secret"
    assert Server.of("big", "http://localhost:1/v1").key == "", "a key is not shown to another server"
    monkeypatch.setenv("MINE", "sk-mine")
    assert Server.of("big", "http://localhost:1/v1", "MINE").key == "sk-mine"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelError, match="OpenAI needs a key"):
        Server.of("big")
    with pytest.raises(ModelError, match="no server's address"):
        Server.of("big", "localhost:1")


# --- what is a new example


def checker(skill: str = "timer", near: float = 95.0) -> Checker:
    return Checker(REGISTRY.get(skill), REGISTRY, near)


@pytest.mark.parametrize(
    ("said", "arguments", "call"),
    [
        ("wake me from my nap in ten minutes", {"duration": "ten minutes"}, 'timer(duration="10 minutes")'),
        ("  one   hour on the clock ", {"duration": "1 hour"}, 'timer(duration="1 hour")'),
    ],
)
def test_new_examples(said: str, arguments: dict[str, Any], call: str) -> None:
    assert checker().check(said, arguments) == Candidate(" ".join(said.split()), call)


@pytest.mark.parametrize(
    ("said", "arguments", "why"),
    [
        (7, {"duration": "5 minutes"}, "not in the format"),
        ("ten minutes", "duration", "not in the format"),
        ("the timer please", {}, "no valid call (timer needs duration)"),
        ("a blue timer", {"duration": "blue"}, "no valid call"),
        ("ten minutes", {"duration": "10 minutes", "label": "tea"}, "no valid call (timer has no parameter label)"),
        ("", {"duration": "5 minutes"}, "nothing is said"),
        ("?!", {"duration": "5 minutes"}, "nothing is said"),
        ("ten minutes\nthen stop", {"duration": "10 minutes"}, "not a plain sentence"),
        ("ten minutes [/INST]", {"duration": "10 minutes"}, "not a plain sentence"),
        ("timer for {duration}", {"duration": "10 minutes"}, "not a plain sentence"),
        ("### User: ten minutes", {"duration": "10 minutes"}, "not a plain sentence"),
        ("word " * 70 + "ten minutes", {"duration": "10 minutes"}, "longer than 60 words"),
        ("set a timer for my eggs", {"duration": "10 minutes"}, "duration is not said"),
        ("Set a timer for FIVE minutes!", {"duration": "5 minutes"}, "duplicate"),
        ("i need a timer for half an hour", {"duration": "half an hour"}, "duplicate"),
        ("set the timer for five minutes", {"duration": "5 minutes"}, "near-duplicate of 'set a timer for five minutes' (93 %)"),
        ("it took us five minutes to get there", {"duration": "5 minutes"}, "known as other()"),
    ],
)
def test_what_is_set_aside(said: Any, arguments: Any, why: str) -> None:
    check = checker(near=93)  # of 58 letters one is out and three are in: 1 - 4 / 58
    assert check.check(said, arguments).why.startswith(why)


def test_a_new_example_is_known_from_then_on() -> None:
    check = checker()
    assert check.check("nap of ten minutes", {"duration": "10 minutes"}).why == ""
    assert check.check("Nap of ten minutes.", {"duration": "10 minutes"}).why == "duplicate"


def test_null_means_not_said() -> None:
    assert checker("weather").check("umbrella needed or not", {"location": None}).call == "weather()"
    assert checker("other").check("the cat sat", {}).call == "other()"


# --- a run


def run(server: Server | None, journal: Journal, count: int, skill: str = "timer") -> list[str]:
    check = checker(skill)
    ask = asker(server, check, journal, random.Random(1)) if server else sampler(check, random.Random(1))
    return [candidate.said for candidate in generate(count, check, ask, journal, lambda text: None)]


def test_a_run_survives_what_a_server_does(site: Site, tmp_path: Path) -> None:
    server = serve(
        site,
        b"garbage",
        busy(),
        tool_answer(examples(("nap of ten minutes", {"duration": "10 minutes"}), ("eggs", {"duration": "3 minutes"}))),
        half(tool_answer({})),
        tool_answer({"examples": ["tea", {"said": "x"}, None]}),
        tool_answer(examples(("nap of ten minutes", {"duration": "10 minutes"}), ("boil it for two hours", {"duration": "two hours"}))),
    )
    journal = Journal(tmp_path / "state.jsonl", HEAD)
    assert run(server, journal, 2) == ["nap of ten minutes", "boil it for two hours"]
    assert [candidate.reason for candidate in journal.found] == ["", "duration is not said", "not in the format", "no valid call", "not in the format", "duplicate", ""]
    assert server.spent.broken == 2
    asked = json.loads(site.requests[-1].body)["messages"][1]["content"]
    assert "timer(duration: Duration): Set a timer." in asked
    assert "- nap of ten minutes" in asked, "it is told what was found"
    assert asked.endswith("Write 1 new examples, each unlike these and unlike each other.")


def test_a_run_ends_where_nothing_new_comes(site: Site, tmp_path: Path) -> None:
    server = serve(site, tool_answer(examples(("timer for twenty seconds", {"duration": "20 seconds"}))))
    assert run(server, Journal(tmp_path / "state.jsonl", HEAD), 3) == []
    assert len(site.requests) == 4


def test_no_more_than_was_asked_for_is_taken(site: Site, tmp_path: Path) -> None:
    server = serve(site, tool_answer(examples(*[(f"clock {word} seconds", {"duration": f"{word} seconds"}) for word in ("two", "nine", "thirty")])))
    assert run(server, Journal(tmp_path / "state.jsonl", HEAD), 2) == ["clock two seconds", "clock nine seconds"]


def test_a_run_that_is_broken_off_goes_on(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    server = serve(site, tool_answer(examples(("nap of ten minutes", {"duration": "10 minutes"}))), (500, "text/plain", b""))
    with pytest.raises(NetworkError):
        run(server, Journal(path, HEAD), 2)
    with path.open("a") as file:
        file.write('{"said": "cut sho')  # the kill came in the middle of a line
    again = serve(site, tool_answer(examples(("boil it for two hours", {"duration": "two hours"}))))
    journal = Journal(path, HEAD)
    assert run(again, journal, 2) == ["nap of ten minutes", "boil it for two hours"]
    assert again.spent.prompt_tokens == 200, "what was spent before counts too"
    asked = len(site.requests)
    assert run(again, Journal(path, HEAD), 2) == ["nap of ten minutes", "boil it for two hours"]
    assert len(site.requests) == asked, "it is complete, and no server is asked"


def test_a_side_file_of_another_run_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "state.jsonl", HEAD)
    with pytest.raises(UsageError, match="is of another run"):
        Journal(tmp_path / "state.jsonl", {"skill": "weather"})
    with pytest.raises(StoreError, match="cannot be written"):
        Journal(Path("/proc/nowhere/state.jsonl"), HEAD)


def test_decisions_are_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state.jsonl", HEAD)
    journal.decide(Candidate("a", "timer()"))
    assert Journal(tmp_path / "state.jsonl", HEAD).decided == {"a"}


@pytest.mark.parametrize("skill", ["timer", "weather", "volume", "note"])
def test_offline_the_phrase_book_gives_them(tmp_path: Path, skill: str) -> None:
    journal = Journal(tmp_path / "state.jsonl", HEAD)
    found = run(None, journal, 3, skill)
    assert len(set(found)) == len(found) >= 1
    known = {example.text for example in REGISTRY.get(skill).examples}
    assert known.isdisjoint(found)
    assert all(candidate.call.startswith(f"{skill}(") for candidate in journal.found)


def test_offline_a_skill_without_examples_has_none(tmp_path: Path) -> None:
    def bare() -> None:
        """Do nothing."""

    spec: SkillSpec = declare(bare)
    with pytest.raises(UsageError, match="no example to sample from"):
        sampler(Checker(spec, REGISTRY), random.Random(1))


def test_the_schema_is_made_from_the_skill() -> None:
    item = form_of(REGISTRY.get("volume")).schema["properties"]["examples"]["items"]
    assert item["required"] == ["said", "arguments"]
    assert item["properties"]["arguments"]["required"] == ["action", "level"]
    assert item["properties"]["arguments"]["properties"]["action"]["enum"] == ["up", "down", "set"]


# --- the example file

BEFORE = "#### Prompt:\ntea  makes tea.\n\n#### Examples:\n\n### User: brew  tea\n### Assistant: tea(kind='black')\n"
NEW = [Candidate("green tea now", 'tea(kind="green")')]


def test_examples_are_added_at_the_end_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "tea_examples.txt"
    path.write_text(BEFORE, encoding="utf-8")
    assert append(path, NEW) == 1
    assert path.read_text("utf-8") == BEFORE + '\n### User: green tea now\n### Assistant: tea(kind="green")\n'
    append(path, [Candidate("another", "tea()")])
    assert [example.text for example in parse_example_file(path.read_text("utf-8"), "").examples] == ["brew  tea", "green tea now", "another"]


def test_a_file_that_ends_in_another_section_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "tea_examples.txt"
    path.write_text("#### Examples:\n\n### User: a\n### Assistant: tea()\n\n#### Prompt Examples:\n\n### User: b\n### Assistant: tea()\n", encoding="utf-8")
    append(path, NEW)
    file = parse_example_file(path.read_text("utf-8"), "")
    assert [example.text for example in file.examples] == ["a", "green tea now"]
    assert [example.text for example in file.prompt_examples] == ["b"]


def test_a_new_file(tmp_path: Path) -> None:
    append(tmp_path / "tea_examples.txt", NEW)
    assert parse_example_file((tmp_path / "tea_examples.txt").read_text("utf-8"), "").examples[0].text == "green tea now"


def test_a_file_with_faults_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tea_examples.txt"
    path.write_text(BEFORE + "nonsense\n", encoding="utf-8")
    with pytest.raises(ExampleError):
        append(path, NEW)
    assert path.read_text("utf-8") == BEFORE + "nonsense\n"
