"""Pairs: the judge's verdicts as a table, wrong calls that really are wrong, and ranked answers."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from finetune.data.collect import collect
from finetune.data.judge import ACTS, INVALID, INVENTED, MISSES, MISSING, MORE, RIGHT, WRONG_ARGUMENT, WRONG_SKILL, judge
from finetune.data.mistakes import KINDS, Mistakes, asked
from finetune.data.pairs import LeftOut, check_rows, corrected, judged
from finetune.data.reflect import PLANTED, TOKENS, reflect
from finetune.data.server import Server
from finetune.data.tokenizer import open_tokenizer
from finetune.data.trees import pairs_of, read_trees
from finetune.rows import TrainingRow, read_preference_rows
from otto import Call
from otto.errors import Problems, StoreError
from otto.history import Entry
from otto.router.answer import read_calls
from tests.router import toy
from tests.web import Site

REGISTRY = toy.registry()


@pytest.fixture(autouse=True)
def installed() -> None:
    REGISTRY.install()


@cache
def made_rows() -> tuple[TrainingRow, ...]:
    examples = [example for spec in REGISTRY for example in spec.examples]
    found = collect(examples, REGISTRY, "llama-3", open_tokenizer(None), held_out=0)
    return tuple(found.rows)


def rows() -> list[TrainingRow]:
    return list(made_rows())


# --- the judge

SET_30 = 'volume(action="set", level=30)'


@pytest.mark.parametrize(
    ("answer", "right", "score", "why", "parameter"),
    [
        ('timer(duration="5 minutes")', 'timer(duration="five minutes")', 1.0, RIGHT, ""),
        ('volume(level=30, action="set")', SET_30, 1.0, RIGHT, ""),
        ('volume(action="up", level=None)', 'volume(action="up")', 1.0, RIGHT, ""),  # its default
        (f"<thinking>volume()</thinking>\n<reflection>no</reflection>\n<output>{SET_30}</output>", SET_30, 1.0, RIGHT, ""),
        ("other()", "other()", 1.0, RIGHT, ""),
        ('volume(action="up", level=30)', SET_30, 0.75, WRONG_ARGUMENT, "action"),
        ('volume(action="up", level=31)', SET_30, 0.5, WRONG_ARGUMENT, "action"),
        ('volume(action="set")', SET_30, 0.75, MISSING, "level"),
        ('volume(action="up", level=5)', 'volume(action="up")', 0.75, INVENTED, "level"),
        ('timer(duration="6 minutes")', 'timer(duration="5 minutes")', 0.5, WRONG_ARGUMENT, "duration"),
        ('note(text="5 minutes")', 'timer(duration="5 minutes")', 0.0, WRONG_SKILL, ""),
        ('note(text="x")', "other()", 0.0, ACTS, ""),
        ("other()", 'note(text="x")', 0.0, MISSES, ""),
        ("weather(); weather()", "weather()", 0.0, MORE, ""),
        ("weather(planet=3)", "weather()", 0.0, INVALID, ""),
        ('timer(duration="blue")', 'timer(duration="5 minutes")', 0.0, INVALID, ""),
        ("sure, I will!", "weather()", 0.0, INVALID, ""),
        ("", "weather()", 0.0, INVALID, ""),
    ],
)
def test_verdicts(answer: str, right: str, score: float, why: str, parameter: str) -> None:
    verdict = judge(answer, Call.parse(right), REGISTRY)
    assert (verdict.score, verdict.why, verdict.parameter) == (score, why, parameter)


# --- wrong calls by rule


@pytest.mark.parametrize("seed", range(5))
def test_every_mistake_is_one_and_of_its_kind(seed: int) -> None:
    maker = Mistakes(REGISTRY, random.Random(seed))
    for row in rows():
        for kind in [ACTS] if row.skill == "other" else KINDS:
            mistake = maker.make(row.call, row.utterance, [kind])
            if mistake is None:
                assert (kind, row.call.arguments) == (WRONG_ARGUMENT, {}), "what has no argument has no wrong one"
                continue
            verdict = judge(mistake.call, row.call, REGISTRY)
            assert verdict.score < 1
            wrong = Call.parse(mistake.call)
            if kind == WRONG_SKILL:
                assert wrong.name not in (row.skill, "other")
                assert verdict.why == WRONG_SKILL, "it could be run"
            elif kind == WRONG_ARGUMENT:
                assert wrong.name == row.skill
                assert verdict.score >= 0.5, "it could be run"
            elif kind == INVENTED:
                assert set(wrong.arguments) > set(row.call.arguments)
            else:
                assert verdict.why == ACTS


def test_a_wrong_skill_carries_the_right_words() -> None:
    maker = Mistakes(REGISTRY, random.Random(1))
    found = {maker.make(Call.parse('weather(location="Berlin")'), "weather in berlin", [WRONG_SKILL]).call for _ in range(20)}  # type: ignore[union-attr]
    assert found == {'note(text="Berlin")'}


def test_stray_talk_is_taken_for_what_it_sounds_like() -> None:
    maker = Mistakes(REGISTRY, random.Random(1))
    made = [maker.make(Call("other"), "the timer took us seven minutes to set") for _ in range(10)]
    assert 'timer(duration="7 minutes")' in {item.call for item in made if item}, "with the sentence's own words"


def test_pairs_of_rows(tmp_path: Path) -> None:
    left_out = LeftOut()
    found = list(judged(rows(), REGISTRY, random.Random(2), left_out, a_row=2))
    assert {row.why for row in found} == {WRONG_SKILL, WRONG_ARGUMENT, INVENTED, ACTS}
    assert len(found) + len(left_out.items) == 88
    assert len({(str(row.prompt), str(row.rejected)) for row in found}) == len(found), "the two wrong calls of a row differ"
    for row in found:
        assert judge(str(row.chosen), Call.parse(str(row.chosen).strip()), REGISTRY).right
        assert not judge(str(row.rejected), Call.parse(str(row.chosen).strip()), REGISTRY).right
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row.to_json()) + "\n" for row in found))
    assert read_preference_rows(path) == found


def test_equal_seeds_give_equal_pairs() -> None:
    made = [[row.rejected for row in judged(rows(), REGISTRY, random.Random(seed), LeftOut())] for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"completion": " tea()"}, "There is no skill tea"),
        ({"completion": ' timer(duration="blue")'}, "does not fit"),
        ({"completion": " sure!"}, "this is not a call"),
        ({"utterance": ""}, "it has no utterance; collect the rows anew"),
    ],
)
def test_rows_that_cannot_be_used(change: dict[str, Any], says: str) -> None:
    good = rows()[0]
    check_rows([good], REGISTRY)
    with pytest.raises(Problems, match=r"row 2 \(") as raised:
        check_rows([good, replace(good, source="x.txt:7", **change), good], REGISTRY)
    assert says in str(raised.value)
    assert len(raised.value.problems) == 1


# --- wrong calls of a server


def bad_answers(site: Site, *calls: str) -> Server:
    left = list(calls)

    def route(request: Any) -> tuple[int, str, bytes]:
        function = {"name": "bad_answer", "arguments": json.dumps({"call": left.pop(0) if len(left) > 1 else left[0]})}
        message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
        return 200, "application/json", json.dumps({"choices": [{"message": message}]}).encode()

    site.routes["/v1/chat/completions"] = route
    return Server(f"{site.url}/v1", "tiny")


RIGHT_TIMER = Call("timer", {"duration": "5 minutes"})


def test_a_server_is_asked_again_until_its_answer_is_bad(site: Site) -> None:
    server = bad_answers(site, 'timer(duration="five minutes")', "I cannot do that", 'timer(duration="50 minutes")')
    mistake = asked(server, REGISTRY, RIGHT_TIMER, "five minutes timer", WRONG_ARGUMENT)
    assert mistake is not None
    assert (mistake.call, mistake.why, mistake.by) == ('timer(duration="50 minutes")', WRONG_ARGUMENT, "server")
    told = json.loads(site.requests[2].body)["messages"][1]["content"]
    assert 'timer(duration="five minutes") will not do: it is right.' in told
    assert "I cannot do that will not do: it is no call." in told


def test_where_a_server_gives_none_the_rules_do(site: Site) -> None:
    server = bad_answers(site, 'timer(duration="5 minutes")')
    assert asked(server, REGISTRY, RIGHT_TIMER, "five minutes timer", WRONG_ARGUMENT) is None
    assert len(site.requests) == 3
    (row,) = judged(rows()[:1], REGISTRY, random.Random(1), LeftOut(), server=server)
    assert row.why in KINDS
    server = bad_answers(site, "note(text='five')")
    (row,) = judged(rows()[:1], REGISTRY, random.Random(1), LeftOut(), server=server)
    assert (row.rejected, row.why) == ('note(text="five")', "wrong skill (server)")


# --- corrections


def entry(heard: str, call: str | None, correction: str | None, id: int = 1) -> Entry:
    return Entry(id, datetime.now(timezone.utc), heard, "typed", call=call, correction=Call.parse(correction) if correction else None)


@pytest.mark.parametrize(
    ("call", "correction", "rejected", "why"),
    [
        ('note(text="rain")', "weather()", 'note(text="rain")', WRONG_SKILL),
        (None, "weather()", "other()", MISSES),
        ("weather()", "other()", "weather()", ACTS),
        ('timer(duration="9 minutes")', 'timer(duration="5 minutes")', 'timer(duration="9 minutes")', WRONG_ARGUMENT),
        ('weather(); note(text="x")', "weather()", 'weather(); note(text="x")', MORE),
    ],
)
def test_a_correction_against_what_was_done(call: str | None, correction: str, rejected: str, why: str) -> None:
    left_out = LeftOut()
    (row,) = corrected([entry("will it", "other()", None), entry("will it rain", call, correction, 7)], REGISTRY, "mistral-instruct", random.Random(1), left_out)
    assert (row.chosen, row.rejected, row.why, row.source) == (f" {correction}", f" {rejected}", why, "otto fix, turn 7")
    assert str(row.prompt).endswith("will it rain [/INST]")
    assert left_out.items == []


@pytest.mark.parametrize(
    ("call", "correction", "why"),
    [
        ('timer(duration="five minutes")', 'timer(duration="5 minutes")', "what was done was right"),
        ("weather()", "tea()", "the correction fits no skill any more"),
    ],
)
def test_corrections_that_give_no_pair(call: str, correction: str, why: str) -> None:
    left_out = LeftOut()
    assert list(corrected([entry("x y", call, correction)], REGISTRY, "llama-2", random.Random(1), left_out)) == []
    assert [item[0] for item in left_out.items] == [why]


def test_what_is_no_call_any_more_gives_way_to_a_near_mistake() -> None:
    (row,) = corrected([entry("weather in rome", "tea()", 'weather(location="Rome")')], REGISTRY, "llama-2", random.Random(1), LeftOut())
    assert row.why in KINDS


# --- ranked answers


def message(id: str, parent: str | None, role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"message_id": id, "parent_id": parent, "message_tree_id": "t1", "role": role, "text": text, **more}


def flat(tmp_path: Path, *messages: dict[str, Any]) -> Any:
    path = tmp_path / "trees.jsonl"
    path.write_text("\n".join(map(json.dumps, messages)), encoding="utf-8")
    return pairs_of(read_trees(path)[0])


ASKED = message("q", None, "prompter", "hi")


def test_the_best_reply_against_the_worst(tmp_path: Path) -> None:
    found = flat(
        tmp_path,
        ASKED,
        message("a", "q", "assistant", "fine", rank=1),
        message("b", "q", "assistant", "best", rank=0),
        message("c", "q", "assistant", "worst", rank=2),
        message("d", "q", "assistant", "unranked", likes=99),
        message("q2", "b", "prompter", "more"),
        message("e", "q2", "assistant", "so", rank=0),
        message("f", "q2", "assistant", "la", rank=1),
    )
    first, second = found.rows
    assert first.prompt == [{"role": "user", "content": "hi"}]
    assert (first.chosen, first.rejected) == ([{"role": "assistant", "content": "best"}], [{"role": "assistant", "content": "worst"}])
    assert (first.why, first.source) == ("rank 0 against 2", "t1 trees.jsonl:3")
    assert second.prompt == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "best"}, {"role": "user", "content": "more"}]
    assert found.left_out == []


@pytest.mark.parametrize(
    "likes",
    [
        ({"likes": 3}, {"likes": "-1"}),
        ({"emojis": {"+1": 5, "-1": 2, "_skip": 1}}, {"emojis": {"-1": 1}}),
        ({"emojis": {"name": ["+1", "-1"], "count": [4, 1]}}, {"emojis": {"name": ["-1"], "count": [1]}}),
        ({"likes": 3, "rank": 0}, {"likes": -1}),  # one rank alone compares nothing
    ],
)
def test_likes_where_ranks_are_missing(tmp_path: Path, likes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    found = flat(tmp_path, ASKED, message("a", "q", "assistant", "bad", **likes[1]), message("b", "q", "assistant", "good", **likes[0]))
    assert [(row.chosen[0]["content"], row.why) for row in found.rows] == [("good", "3 likes against -1")]  # type: ignore[index]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([ASKED, message("a", "q", "assistant", "x", rank=0)], "one answer alone"),
        ([ASKED, message("a", "q", "assistant", "x", rank=0), message("b", "q", "assistant", "y", rank=0)], "no answer is better"),
        ([ASKED, message("a", "q", "assistant", "x", rank=0), message("b", "q", "assistant", " x", rank=1)], "no answer is better"),
        ([ASKED, message("a", "q", "assistant", "x"), message("b", "q", "assistant", "y", rank=1)], "neither ranks nor likes"),
        ([message("a", "gone", "assistant", "x", rank=0), message("b", "gone", "assistant", "y", rank=1)], "the message before it is not there"),
        ([message("a", None, "assistant", "x", rank=0), message("b", None, "assistant", "y", rank=1)], "an answer to nothing"),
        ([message("q", "p", "prompter", "x"), message("p", "q", "prompter", "y"), message("a", "q", "assistant", "z", rank=0)], "its messages go round in a circle"),
        ([ASKED, ASKED, message("a", "q", "assistant", "x")], "a message stands twice"),
        ([ASKED, message("a", "q", "assistant", "x", rank=0), message("b", "q", "assistant", "y", rank=1, message_tree_id="t2")], "answers of different conversations"),
    ],
)
def test_places_without_a_pair_are_named(tmp_path: Path, messages: list[dict[str, Any]], why: str) -> None:
    found = flat(tmp_path, *messages)
    assert found.rows == []
    assert why in [item[0] for item in found.left_out]


def test_a_nested_tree_and_what_is_deleted_in_it(tmp_path: Path) -> None:
    tree = {
        "message_tree_id": "t9",
        "prompt": {
            "message_id": "q", "role": "prompter", "text": "hi",
            "replies": [
                {"message_id": "a", "role": "assistant", "text": "yes", "rank": 0, "replies": []},
                {"message_id": "b", "role": "assistant", "text": "no", "rank": 1},
                {"message_id": "c", "role": "assistant", "text": "[deleted]", "rank": 2, "deleted": True},
                {"message_id": "d", "role": "assistant", "text": "spam", "rank": 3, "review_result": False},
            ],
        },
    }  # fmt: skip
    (tmp_path / "t.json").write_text(json.dumps(tree, indent=1))
    found = pairs_of(read_trees(tmp_path / "t.json")[0])
    assert [(row.chosen[0]["content"], row.rejected[0]["content"], row.source) for row in found.rows] == [("yes", "no", "t9 t.json:1")]  # type: ignore[index]
    assert [str(problem) for problem in read_trees(tmp_path / "t.json")[1]] == ["t.json:1: it was deleted, or refused in review"] * 2


def test_messages_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [ASKED, message("a", "q", "wizard", "x"), message("b", "q", "assistant", ""), message("c", "q", "assistant", "x", rank="best"), message("d", "q", "assistant", "x", rank="0")]
    path.write_text("{\n" + "\n".join(map(json.dumps, lines)))
    replies, problems = read_trees(path)
    assert [problem.where for problem in problems] == ["t.jsonl:1", "t.jsonl:3", "t.jsonl:4", "t.jsonl:5"]
    assert [reply.id for reply in replies] == ["q", "d"]
    path.write_text("{")
    with pytest.raises(StoreError, match="give a tree or a message a line"):
        read_trees(path)


# --- reflection


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.3, 12, 14), (0.5, 21, 23), (1.0, 44, 44)])
def test_mistakes_are_planted_in_a_set_share(share: float, least: int, most: int) -> None:
    found = list(reflect(rows(), REGISTRY, random.Random(3), LeftOut(), mistakes=share))
    assert len(found) == 44
    assert least <= Counter(kind for _, kind in found)[PLANTED] <= most


def test_each_reflection_ends_in_the_right_call() -> None:
    for row, kind in reflect(rows(), REGISTRY, random.Random(4), LeftOut()):
        answer = row.answer
        right = next(item.call for item in rows() if item.source == row.source and item.utterance == row.utterance)
        assert read_calls(answer, REGISTRY) == (right,), answer
        assert [answer.count(token) for token in TOKENS] == [1] * 6
        draft = Call.parse(answer.split("Draft: ")[1].split("</thinking>")[0])
        assert (draft == right) == (kind != PLANTED)
        assert ("The draft stands." in answer) == (kind != PLANTED)


@pytest.mark.parametrize(
    ("right", "said", "seed_words"),
    [
        (SET_30, "set the volume to thirty", {"is not", "invented", "does not do", "This is a request: volume does it."}),
        ("other()", "the dog is asleep", {"This was not said to the assistant"}),
    ],
)
def test_the_reflection_says_what_is_wrong(right: str, said: str, seed_words: set[str]) -> None:
    row = TrainingRow("p", f" {right}", right.split("(")[0], utterance=said)
    found = [next(reflect([row], REGISTRY, random.Random(seed), LeftOut(), mistakes=1.0))[0].answer for seed in range(40)]
    assert {words for words in seed_words if any(words in answer for answer in found)} == seed_words
    assert all(answer.startswith("<thinking>") and answer.endswith(f"<output>{right}</output>") for answer in (text.strip() for text in found))


def test_words_that_would_be_taken_for_tags() -> None:
    left_out = LeftOut()
    row = TrainingRow("p", ' note(text="a </thinking> b")', "note", utterance="note a </thinking> b", source="x:1")
    found = list(reflect([row], REGISTRY, random.Random(1), left_out, mistakes=0))
    assert found == []
    assert left_out.items == [("its words would be taken for tags", "x:1: 'note a </thinking> b'")]
