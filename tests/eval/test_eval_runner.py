"""Runs: nothing is lost, nothing is run twice, and what a server does not answer is said."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from eval.cache import AnswerCache, Keys, route_from_json, route_to_json
from eval.cases import Case
from eval.journal import Journal
from eval.runner import Pace, Runner
from eval.runs import read_rows
from eval.skillset import Skillset
from eval.summary import confusion, summarise
from otto import Call, Duration
from otto.config import Settings, load_settings
from otto.errors import NetworkError, OttoError, Problems, StoreError
from otto.messages import Route
from otto.registry import Registry
from otto.router import open_router
from otto.router.base import Router
from otto.router.phrases import PhraseRouter
from otto.skill import declare, skill, spec_of
from tests.web import Answer, Request, Site

SCHEMAS = Path(__file__).resolve().parents[2] / "eval" / "schemas"
valid_row = fastjsonschema.compile(json.loads((SCHEMAS / "result.json").read_text("utf-8")))
valid_summary = fastjsonschema.compile(json.loads((SCHEMAS / "summary.json").read_text("utf-8")))
ABOUT: dict[str, Any] = {
    "skipped": 0, "versions": {}, "data": {}, "command": [], "seed": 0, "router": {"engine": "x", "model": "", "adapter": "", "prompt_sha256": ""},
}  # fmt: skip


@skill(examples={f"set a timer for {minutes} minutes": f'timer(duration="{minutes} minutes")' for minutes in ("five", "ten")})
def timer(duration: Duration) -> None:
    """Set a timer."""


def weather(location: str | None = None) -> None:
    """Tell the weather."""


TIMER = spec_of(timer)
assert TIMER is not None
REGISTRY = Registry.of([TIMER, declare(weather)])
SKILLSET = Skillset(REGISTRY)


def cases(count: int) -> list[Case]:
    return [Case(f"id {number}", f"set a timer for {number + 1} minutes", ((Call("timer", {"duration": f"{number + 1} minutes"}),),)) for number in range(count)]


class Scripted:
    """A router that does as it is told; it is none of Otto's, so that its faults can be chosen."""

    name = "scripted"

    def __init__(self, answer: Callable[[str], Route]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def route(self, text: str) -> Route:
        self.asked.append(text)
        return self.answer(text)

    def update(self, registry: Registry) -> None:
        pass


def answered(text: str, *calls: Call, **more: Any) -> Route:
    return Route(text, calls or (Call("other"),), more.pop("confidence", 0.5), "scripted", 1.0, **more)


def run(folder: Path, router: Router, todo: list[Case], skillset: Skillset = SKILLSET) -> tuple[OttoError | None, list[dict[str, Any]]]:
    REGISTRY.install()
    journal = Journal(folder)
    try:
        stopped = Runner(lambda: router, skillset, journal).run(todo)
    finally:
        journal.close()
    rows = list(read_rows(folder / "results.jsonl"))
    for row in rows:
        valid_row(row)
    valid_summary(json.loads(json.dumps(summarise(rows, len(todo), ABOUT))))
    return stopped, rows


# --- rows


def test_a_real_router(tmp_path: Path) -> None:
    more = [
        Case("wrong", "set a timer for 3 minutes", ((Call("timer", {"duration": "4 minutes"}),),)),
        Case("unknown", "how is the weather", ((Call("weather"),),)),
        Case("stray", "she set it down", ((Call("other"),),)),
        Case("false", "set a timer for 3 minutes", ((Call("other"),),)),
    ]
    stopped, rows = run(tmp_path, PhraseRouter(REGISTRY), [*cases(6), *more])
    assert stopped is None
    assert [row["id"] for row in rows if row["exact"]] == [*(f"id {number}" for number in range(6)), "stray"]
    assert [row["cold"] for row in rows] == [True] + [False] * 9
    summary = summarise(rows, 10, ABOUT)
    rates = {name: (summary[name]["value"], summary[name]["n"]) for name in ("exact_match", "skill_accuracy", "false_call_rate", "missed_call_rate")}
    assert rates == {"exact_match": (0.7, 10), "skill_accuracy": (0.8, 10), "false_call_rate": (0.5, 2), "missed_call_rate": (0.125, 8)}
    assert summary["argument_precision"]["value"] == pytest.approx(6 / 8)  # of the eight timers that were set
    assert summary["argument_recall"]["value"] == pytest.approx(6 / 7)
    assert summary["confusion"] == {"other": {"other": 1, "timer": 1}, "timer": {"timer": 7}, "weather": {"other": 1}}
    assert {name: scores["n"] for name, scores in summary["by_skill"].items()} == {"other": 2, "timer": 7, "weather": 1}
    assert summary["ece"]["value"] == pytest.approx(0.8 * abs(1 - 6 / 8) + 0.2 * abs(0.5 - 0.5))


def test_an_invalid_answer_is_kept_and_wrong(tmp_path: Path) -> None:
    stray = Case("s", "hello", ((Call("other"),),))
    router = Scripted(lambda text: answered(text, confidence=0.0, invalid="Sorry, \ud83d I cannot."))
    _, (row,) = run(tmp_path, router, [stray])
    assert (row["valid"], row["exact"], row["false_call"], row["predicted"]) == (False, False, False, [])
    assert row["answer"] == "Sorry, ? I cannot."
    assert confusion([row]) == {"other": {"(invalid)": 1}}


def test_a_router_is_not_believed(tmp_path: Path) -> None:
    """A call that the skills do not take is not valid, whatever the router says of it."""
    router = Scripted(lambda text: answered(text, Call("timer", {"duration": "blue"}), confidence=7.0))
    _, (row,) = run(tmp_path, router, cases(1))
    assert (row["valid"], row["answer"], row["confidence"]) == (False, 'timer(duration="blue")', 1.0)


def test_candidates_are_shown_case_by_case(tmp_path: Path) -> None:
    shown: list[set[str]] = []
    router = Scripted(answered)
    router.update = lambda registry: shown.append(set(registry.specs))  # type: ignore[method-assign]
    three = Registry.of([*REGISTRY, *(declare(target) for target in (light, door))])
    run(tmp_path, router, cases(6), Skillset(three, candidates=2))
    assert len(shown) == 6
    assert all("timer" in names and len(names) == 2 for names in shown)


def light() -> None:
    """Switch the light."""


def door() -> None:
    """Open the door."""


# --- what fails


def test_a_case_that_fails_is_wrong_where_others_succeed(tmp_path: Path) -> None:
    def answer(text: str) -> Route:
        if " 2 " in text or " 6 " in text:
            raise ValueError("the prompt\nis too long")
        return answered(text)

    stopped, rows = run(tmp_path, Scripted(answer), cases(6))
    assert stopped is None
    assert {row["id"]: row["error"] for row in rows if row["error"]} == dict.fromkeys(("id 1", "id 5"), "ValueError: the prompt is too long")
    assert all(not row["valid"] and row["missed_call"] for row in rows if row["error"])
    assert summarise(rows, 6, ABOUT)["errors"] == 2


def test_three_failures_in_a_row_are_the_routers(tmp_path: Path) -> None:
    router = Scripted(lambda text: answered(text) if " 1 " in text else [][0])
    stopped, rows = run(tmp_path, router, cases(20))
    assert str(stopped).startswith("The router failed at 3 cases in a row, the last time so: IndexError")
    assert [row["id"] for row in rows] == ["id 0"]  # they are run again when it works again
    summary = summarise(rows, 20, ABOUT)
    assert (summary["asked"], summary["n"], summary["complete"]) == (20, 1, False)


def test_a_router_that_answers_nothing_has_no_score(tmp_path: Path) -> None:
    stopped, rows = run(tmp_path, Scripted(lambda text: [][0]), cases(2))
    assert str(stopped).startswith("The router answered no case: IndexError")
    assert rows == []


# --- the journal


def test_what_was_run_is_not_run_again(tmp_path: Path) -> None:
    run(tmp_path, Scripted(answered), cases(3))
    router = Scripted(answered)
    _, rows = run(tmp_path, router, cases(5))
    assert router.asked == ["set a timer for 4 minutes", "set a timer for 5 minutes"]
    assert [row["id"] for row in rows] == [f"id {number}" for number in range(5)]


@pytest.mark.parametrize("cut", [1, 5, 300])
def test_a_line_that_a_kill_cut_short_is_run_again(cut: int, tmp_path: Path) -> None:
    run(tmp_path, Scripted(answered), cases(3))
    file = tmp_path / "results.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    router = Scripted(answered)
    _, rows = run(tmp_path, router, cases(3))
    assert router.asked == ["set a timer for 3 minutes"]
    assert [row["id"] for row in rows] == ["id 0", "id 1", "id 2"]


def test_a_journal_without_a_whole_line_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"id": "é'[:-1], encoding="utf-8")
    _, rows = run(tmp_path, Scripted(answered), cases(1))
    assert len(rows) == 1


def test_damage_in_the_middle_is_not_run_over(tmp_path: Path) -> None:
    run(tmp_path, Scripted(answered), cases(2))
    file = tmp_path / "results.jsonl"
    file.write_bytes(b"garbage\n" + file.read_bytes())
    with pytest.raises(Problems, match="results.jsonl:1: this is not JSON"):
        run(tmp_path, Scripted(answered), cases(3))


@pytest.mark.skipif(os.name == "nt", reason="there is no lock there")
def test_one_folder_one_run(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(StoreError, match="Another run is writing"):
        Journal(tmp_path)
    journal.close()
    Journal(tmp_path).close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="choose another folder with --out"):
        Journal(tmp_path / "file")


# --- servers


@pytest.fixture
def settings(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text(f'[router]\nengine = "openai"\nmodel = "tiny"\nbase_url = "{site.url}/v1"\n', encoding="utf-8")
    return load_settings(environ={"OTTO_HOME": str(home)})


def completion(content: str, tokens: int | None = 100) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice]}
    return json.dumps(answer | ({"usage": {"total_tokens": tokens}} if tokens is not None else {})).encode()


def chats(site: Site) -> list[Request]:
    return site.asked("/v1/chat/completions")


def said_to(request: Request) -> str:
    return str(json.loads(request.body)["messages"][-1]["content"])


def set_timer(text: str) -> str:
    return f'timer(duration="{text.removeprefix("set a timer for ")}")'


def serve(site: Site, answer: Callable[[str], Answer | None]) -> None:
    site.routes["/v1/chat/completions"] = lambda request: answer(said_to(request)) or (200, "application/json", completion(set_timer(said_to(request))))


def ask(folder: Path, settings: Settings, count: int, pace: Pace, **more: Any) -> tuple[OttoError | None, list[str]]:
    REGISTRY.install()
    journal = Journal(folder)
    try:
        stopped = Runner(lambda: open_router("openai", REGISTRY, settings), SKILLSET, journal, pace=pace, **more).run(cases(count))
    finally:
        journal.close()
    rows = read_rows(folder / "results.jsonl")
    assert all(row["exact"] for row in rows)
    return stopped, sorted((row["id"] for row in rows), key=lambda id: int(id.split()[1]))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_server(concurrency: int, site: Site, settings: Settings, tmp_path: Path) -> None:
    serve(site, lambda text: None)
    stopped, ids = ask(tmp_path, settings, 20, Pace(concurrency))
    assert (stopped, ids) == (None, [f"id {number}" for number in range(20)])
    assert Counter(map(said_to, chats(site))) == {case.text: 1 for case in cases(20)}


def test_requests_go_out_together(site: Site, settings: Settings, tmp_path: Path) -> None:
    """No answer comes before four requests have: fewer at a time would never end."""
    barrier = threading.Barrier(4, timeout=30)
    serve(site, lambda text: (barrier.wait(), None)[1])
    stopped, ids = ask(tmp_path, settings, 8, Pace(4, attempts=1))
    assert (stopped, len(ids)) == (None, 8)


def test_a_busy_server_is_asked_again(site: Site, settings: Settings, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def busy_at_first(text: str) -> Answer | None:
        seen[text] += 1
        return (429, "application/json", b"{}") if seen[text] < 3 else None

    serve(site, busy_at_first)
    stopped, ids = ask(tmp_path, settings, 3, Pace(attempts=3, first_wait=0.01))
    assert (stopped, len(ids)) == (None, 3)
    assert set(seen.values()) == {3}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_server_that_dies_leaves_what_it_answered(concurrency: int, site: Site, settings: Settings, tmp_path: Path) -> None:
    asked: list[str] = []

    def dies(text: str) -> Answer | None:
        asked.append(text)
        return (503, "application/json", b"{}") if len(asked) > 5 else None

    serve(site, dies)
    stopped, ids = ask(tmp_path, settings, 30, Pace(concurrency, attempts=2, first_wait=0.01))
    assert isinstance(stopped, NetworkError)
    assert "failed with status 503" in str(stopped)
    assert len(ids) == 5
    asked.clear()
    serve(site, lambda text: asked.append(text))
    stopped, ids = ask(tmp_path, settings, 30, Pace(concurrency))
    assert (stopped, len(ids), len(asked)) == (None, 30, 25)


@pytest.mark.parametrize(("pace", "says", "least"), [
    (Pace(requests=7), "The budget of 7 requests is spent", 7),
    (Pace(3, requests=7), "The budget of 7 requests is spent", 7),
    (Pace(tokens=450), "The budget of 450 tokens is spent", 5),
])  # fmt: skip
def test_a_budget(pace: Pace, says: str, least: int, site: Site, settings: Settings, tmp_path: Path) -> None:
    serve(site, lambda text: None)
    stopped, ids = ask(tmp_path, settings, 30, pace)
    assert str(stopped).startswith(says)
    assert len(ids) == len(chats(site)) == least
    ask(tmp_path, settings, 30, pace)
    assert len(chats(site)) == 2 * least  # of each call of the command


def test_a_budget_of_tokens_that_nobody_counts(site: Site, settings: Settings, tmp_path: Path) -> None:
    site.serve("/v1/chat/completions", completion('timer(duration="1 minute")', tokens=None))
    stopped, ids = ask(tmp_path, settings, 5, Pace(tokens=450))
    assert str(stopped).startswith("The server does not report its tokens")
    assert len(ids) == 1


# --- the cache


def test_what_was_answered_is_not_asked_again(site: Site, settings: Settings, tmp_path: Path) -> None:
    serve(site, lambda text: None)
    for folder, requests in (("a", 6), ("b", 6)):
        cache = AnswerCache(tmp_path / "answers.sqlite")
        stopped, ids = ask(tmp_path / folder, settings, 6, Pace(2), cache=(cache, Keys("openai", settings)))
        cache.close()
        assert (stopped, len(ids), len(chats(site))) == (None, 6, requests)
    one, two = ({row["id"]: row for row in read_rows(tmp_path / name / "results.jsonl")} for name in "ab")
    assert all(row["cached"] for row in two.values()) and not any(row["cached"] for row in one.values())
    for id, row in two.items():
        assert {**one[id], "ms": 0, "cold": 0, "cached": 0} == {**row, "ms": 0, "cold": 0, "cached": 0}


def test_the_key_is_of_model_prompt_grammar_and_case(settings: Settings, tmp_path: Path) -> None:
    def settings_with(**router: str) -> Settings:
        return settings.model_copy(update={"router": settings.router.model_copy(update=router)})

    (tmp_path / "prompt.txt").write_text("Only:\n$skills", encoding="utf-8")
    fewer = Registry.of([declare(weather)])
    keys = [
        Keys("openai", settings).key(REGISTRY, "a"),
        Keys("openai", settings).key(REGISTRY, "b"),
        Keys("openai", settings).key(fewer, "a"),
        Keys("openai", settings_with(model="large")).key(REGISTRY, "a"),
        Keys("openai", settings_with(base_url="http://localhost:1/v1")).key(REGISTRY, "a"),
        Keys("openai", settings_with(prompt=str(tmp_path / "prompt.txt"))).key(REGISTRY, "a"),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == Keys("openai", settings).key(REGISTRY, "a")


def test_the_key_of_a_model_on_this_machine_is_of_its_files(settings: Settings, tmp_path: Path) -> None:
    for name in ("model", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    router = settings.router.model_copy(update={"model": str(tmp_path / "model"), "adapter": str(tmp_path / "adapter")})
    settings = settings.model_copy(update={"router": router})
    before = Keys("transformers", settings).key(REGISTRY, "a")
    assert Keys("transformers", settings).key(REGISTRY, "a") == before
    (tmp_path / "adapter" / "config.json").write_text('{"r": 8}')
    assert Keys("transformers", settings).key(REGISTRY, "a") != before


def test_a_route_comes_back_from_the_cache_as_it_was() -> None:
    route = Route("x", (Call("weather"),), 0.25, "openai", 3.5, ((Call("other"), 0.5),), invalid="tea()")
    assert route_from_json("x", json.loads(json.dumps(route_to_json(route)))) == route


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="delete it, or run with --no-cache"):
        AnswerCache(tmp_path / "answers.sqlite")


# --- waiting for what is learnt in the background


def test_a_router_that_is_still_learning_is_waited_for(tmp_path: Path) -> None:
    class Learner(Scripted):
        until = time.monotonic() + 0.5

        @property
        def learning(self) -> bool:
            return time.monotonic() < self.until

    router = Learner(lambda text: answered(text, confidence=float(not router.learning)))
    _, (row,) = run(tmp_path, router, cases(1))
    assert row["confidence"] == 1.0
