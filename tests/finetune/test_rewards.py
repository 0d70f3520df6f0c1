"""The rewards: tables of answers, each with the value that it earns and why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune import rewards
from otto.registry import Registry
from tests.router import toy

REGISTRY = Registry.of(toy.skills())
TIMER = 'timer(duration="5 minutes")'
VOLUME = 'volume(action="set", level=40)'
NOTE = 'note(text="buy milk")'
REFLECTING = f"<thinking>a timer</thinking>\n<reflection>yes</reflection>\n<output>{TIMER}</output>"


def only(values: Sequence[float]) -> float:
    (value,) = values
    return value


@pytest.fixture(autouse=True)
def _normalisers() -> None:
    REGISTRY.install()


@pytest.mark.parametrize(
    ("answer", "value", "why"),
    [
        (TIMER, 1, "a call"),
        (f" {TIMER}\n", 1, "space around it"),
        (f"{TIMER}; {NOTE}", 1, "two calls"),
        ("other()", 1, "no skill fits"),
        (REFLECTING, 1, "thoughts before it"),
        ("", 0, "nothing"),
        ("Sure!", 0, "words"),
        (f"Sure! {TIMER}", 0, "words before it"),
        ("timer(", 0, "cut short"),
        ("alarm()", 0, "no such skill"),
        ("timer()", 0, "an argument is missing"),
        ('timer(duration="soon")', 0, "no duration"),
        ('timer(duration="5 minutes", loud=True)', 0, "an argument that it does not take"),
        ('volume(action="explode")', 0, "not one of its choices"),
    ],
)
def test_parses(answer: str, value: float, why: str) -> None:
    assert only(rewards.parses([answer], registry=REGISTRY)) == value, why


@pytest.mark.parametrize(
    ("answer", "right", "value", "why"),
    [
        (TIMER, TIMER, 1, "the call"),
        ('timer(duration="1 hour")', TIMER, 1, "other arguments"),
        (NOTE, TIMER, 0, "another skill"),
        ("other()", TIMER, 0, "left alone"),
        ("other()", "other()", 1, "left alone, rightly"),
        (f"{TIMER}; {NOTE}", TIMER, 0, "more than was asked for"),
        ("timer", TIMER, 0, "no call"),
    ],
)
def test_skill(answer: str, right: str, value: float, why: str) -> None:
    assert only(rewards.skill([answer], call=[right], registry=REGISTRY)) == value, why


@pytest.mark.parametrize(
    ("answer", "right", "value", "why"),
    [
        (TIMER, TIMER, 1, "the call"),
        ('timer(duration="five minutes")', TIMER, 1, "the same duration in other words"),
        ('volume(level=40, action="set")', VOLUME, 1, "in another order"),
        ('volume(action="set", level=50)', VOLUME, 0.5, "one of two"),
        ('volume(action="set")', VOLUME, 0.5, "one of two, the other missing"),
        ('volume(action="up")', VOLUME, 0, "none of two"),
        ('timer(duration="6 minutes")', TIMER, 0, "none of one"),
        (NOTE, TIMER, 0, "another skill"),
        ("other()", "other()", 1, "nothing to say"),
        (TIMER, "other()", 0, "acts on stray talk"),
        ("40", VOLUME, 0, "no call"),
    ],
)
def test_arguments(answer: str, right: str, value: float, why: str) -> None:
    assert only(rewards.arguments([answer], call=[right], registry=REGISTRY)) == pytest.approx(value), why


@pytest.mark.parametrize(
    ("answer", "right", "said", "value", "why"),
    [
        (NOTE, NOTE, "note down buy milk", 1, "said"),
        ('note(text="milk")', NOTE, "note down buy milk", 1, "said, though too little"),
        ('note(text="Buy milk!")', NOTE, "note down buy milk", 1, "signs and capitals are not words"),
        (TIMER, TIMER, "a timer for five minutes", 1, "written otherwise, as in the right call"),
        ('note(text="buy bread")', NOTE, "note down buy milk", 0, "never said"),
        ('note(text="ilk")', NOTE, "note down buy milk", 0, "a part of a word"),
        ('note(text="milk buy")', NOTE, "note down buy milk", 0, "in another order"),
        ('timer(duration="9 minutes")', TIMER, "a timer for five minutes", 0, "another duration"),
        ("other()", NOTE, "note down buy milk", 1, "invents nothing"),
        ("note(", NOTE, "note down buy milk", 0, "no call"),
    ],
)
def test_no_invention(answer: str, right: str, said: str, value: float, why: str) -> None:
    assert only(rewards.no_invention([answer], call=[right], utterance=[said], registry=REGISTRY)) == value, why


@pytest.mark.parametrize(
    ("answer", "right", "value", "why"),
    [
        ("other()", "other()", 1, "stray talk, left alone"),
        (TIMER, "other()", 0, "acts on stray talk"),
        (TIMER, TIMER, 1, "a request, acted on"),
        (NOTE, TIMER, 1, "wrongly, but it acts"),
        ("other()", TIMER, 0, "a request, left alone"),
        ("I cannot", "other()", 0, "no call"),
    ],
)
def test_refuses(answer: str, right: str, value: float, why: str) -> None:
    assert only(rewards.refuses([answer], call=[right], registry=REGISTRY)) == value, why


@pytest.mark.parametrize(
    ("answer", "right", "value", "why"),
    [
        ("other()", "other()", 1, "as short as it goes"),
        (" other()\n", "other()", 1, "space is free"),
        ("other()other()", "other()", 0.5, "twice as long"),
        ("x", "other()", 1, "shorter"),
        ("", "other()", 0, "nothing"),
        (REFLECTING, TIMER, 1, "thoughts in their marks are free"),
        (REFLECTING.replace("</output>", ""), TIMER, len(TIMER) / (len(REFLECTING) - 9), "a mark is missing: all of it counts"),
    ],
)
def test_brevity(answer: str, right: str, value: float, why: str) -> None:
    assert only(rewards.brevity([answer], call=[right])) == pytest.approx(value), why


@pytest.mark.parametrize(
    ("answer", "value", "why"),
    [
        (REFLECTING, 1, "all three"),
        (REFLECTING.replace("\n", ""), 1, "on one line"),
        (TIMER, 0, "the call alone"),
        (f"<output>{TIMER}</output>", 0, "no thoughts"),
        (REFLECTING.replace("a timer", " "), 0, "an empty thought"),
        (REFLECTING.replace("a timer", "a <thinking>timer"), 0, "a mark inside"),
        (f"Well. {REFLECTING}", 0, "words before it"),
        (f"{REFLECTING}{TIMER}", 0, "words behind it"),
        ("<reflection>yes</reflection><thinking>a timer</thinking><output>other()</output>", 0, "in another order"),
    ],
)
def test_reflection(answer: str, value: float, why: str) -> None:
    assert only(rewards.reflection([answer])) == value, why


def test_messages_earn_what_their_text_does() -> None:
    assert rewards.parses([[{"role": "assistant", "content": TIMER}], TIMER], registry=REGISTRY) == [1, 1]


def test_weights_choose_and_name_the_rewards() -> None:
    functions, weights = rewards.chosen({"parses": 1, "brevity": 0, "skill": 3}, REGISTRY)
    assert [function.__name__ for function in functions] == ["parses", "skill"]
    assert weights == [1, 3]
    # A valid call of a wrong skill: (1 × 1 + 3 × 0) / 4
    assert rewards.total({"parses": 1, "brevity": 0, "skill": 3}, REGISTRY, [NOTE, TIMER], call=[TIMER, TIMER], utterance=["", ""]) == [0.25, 1]


def test_the_right_call_earns_all() -> None:
    said = ["set a timer for five minutes", "no I was talking to my sister"]
    assert rewards.total(rewards.WEIGHTS, REGISTRY, [TIMER, "other()"], call=[TIMER, "other()"], utterance=said) == [1, 1]


def test_every_reward_has_a_weight() -> None:
    assert set(rewards.WEIGHTS) == set(rewards.REWARDS)


@given(st.lists(st.text(max_size=40) | st.sampled_from([TIMER, NOTE, "other()", REFLECTING]), max_size=4))
def test_any_text_earns_from_0_to_1(answers: list[str]) -> None:
    columns = {"call": [TIMER] * len(answers), "utterance": ["a timer"] * len(answers), "prompt": ["p"] * len(answers)}
    for name, reward in rewards.REWARDS.items():
        found = reward(answers, registry=REGISTRY, **columns)
        assert len(found) == len(answers), name
        assert all(0 <= value <= 1 for value in found), name
