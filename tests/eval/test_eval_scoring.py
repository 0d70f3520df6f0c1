"""The rules of scoring, as tables of cases with the reason of each verdict."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.cases import Case
from eval.scoring import Verdict, is_valid, judge, judge_all, same_calls, skill_names, triples
from otto import Call, Duration
from otto.registry import Registry
from otto.skill import declare


def timer(duration: Duration, label: str = "") -> None:
    """Set a timer."""


def weather(location: str | None = None, days: int = 1) -> None:
    """Tell the weather."""


def media(action: Literal["play", "stop"], names: list[str] | None = None) -> None:
    """Steer the player."""


def other() -> None:
    """No skill fits."""


REGISTRY = Registry.of([declare(timer), declare(weather), declare(media), declare(other)])
FIVE = 'timer(duration="5 minutes")'


@pytest.fixture(autouse=True)
def installed() -> None:
    REGISTRY.install()


def case(*gold: str, ordered: bool = False) -> Case:
    return Case("1", "x", tuple(Call.parse_all(calls) for calls in gold), ordered=ordered)


def verdict(gold: Case, predicted: str | None) -> Verdict:
    return judge(gold, None if predicted is None else Call.parse_all(predicted), REGISTRY.specs)


# why, gold, predicted
EXACT = [
    ("the same call", FIVE, FIVE),
    ("argument order is free", 'weather(location="Oslo", days=2)', 'weather(days=2, location="Oslo")'),
    ("values go through the normaliser", FIVE, 'timer(duration="five minutes")'),
    ("a default counts as left out", 'weather(location="Oslo")', 'weather(location="Oslo", days=1)'),
    ("None is the default too", "weather()", "weather(location=None)"),
    ("choices in any case", 'media(action="play")', 'media(action="PLAY")'),
    ("a number that was said is the number", 'weather(days=3)', 'weather(days="three")'),
    ("nothing to do, nothing done", "other()", "other()"),
    ("several calls are a set", f'{FIVE}; weather()', f'weather(); {FIVE}'),
    ("the same call twice is once", FIVE, f"{FIVE}; {FIVE}"),
    ("other() beside a call asks for nothing", FIVE, f"other(); {FIVE}"),
]  # fmt: skip
WRONG = [
    ("another value", FIVE, 'timer(duration="6 minutes")'),
    ("another skill", FIVE, "weather()"),
    ("an argument too many", "weather()", 'weather(location="Oslo")'),
    ("an argument too few", 'weather(location="Oslo")', "weather()"),
    ("capitals of free text count", 'weather(location="Oslo")', 'weather(location="oslo")'),
    ("a call too many", FIVE, f"{FIVE}; weather()"),
    ("a call too few", f"{FIVE}; weather()", FIVE),
    ("a list's order counts", 'media(action="play", names=["a", "b"])', 'media(action="play", names=["b", "a"])'),
    ("acted on stray talk", "other()", FIVE),
    ("missed", FIVE, "other()"),
]


@pytest.mark.parametrize(("why", "gold", "predicted"), EXACT, ids=[row[0] for row in EXACT])
def test_exact(why: str, gold: str, predicted: str) -> None:
    found = verdict(case(gold), predicted)
    assert (found.valid, found.exact, found.skill, found.fp, found.fn) == (True, True, True, 0, 0)
    assert not (found.false_call or found.missed_call)


@pytest.mark.parametrize(("why", "gold", "predicted"), WRONG, ids=[row[0] for row in WRONG])
def test_not_exact(why: str, gold: str, predicted: str) -> None:
    assert not verdict(case(gold), predicted).exact


ORDERS = [
    (f"{FIVE}; weather()", f"{FIVE}; weather()", True, True),
    (f"{FIVE}; weather()", f"weather(); {FIVE}", False, False),
]


@pytest.mark.parametrize(("gold", "predicted", "exact", "skill"), ORDERS)
def test_order_counts_where_the_case_says_so(gold: str, predicted: str, exact: bool, skill: bool) -> None:
    found = verdict(case(gold, ordered=True), predicted)
    assert (found.exact, found.skill) == (exact, skill)
    assert verdict(case(gold), predicted).exact


SKILLS = [
    ("another value", FIVE, 'timer(duration="1 hour")', True),
    ("another skill", FIVE, "weather()", False),
    ("nothing", FIVE, "other()", False),
    ("nothing where nothing is", "other()", "other()", True),
    ("one of two", f"{FIVE}; weather()", "weather()", False),
    ("both, one of them with another value", f"{FIVE}; weather()", 'weather(); timer(duration="1 hour")', True),
    ("one timer of two", f'{FIVE}; timer(duration="1 hour")', FIVE, False),
]


@pytest.mark.parametrize(("why", "gold", "predicted", "right"), SKILLS, ids=[row[0] for row in SKILLS])
def test_skill(why: str, gold: str, predicted: str, right: bool) -> None:
    assert verdict(case(gold), predicted).skill is right


ARGUMENTS = [  # why, gold, predicted, tp, fp, fn
    ("all", 'weather(location="Oslo", days=2)', 'weather(location="Oslo", days=2)', 2, 0, 0),
    ("one wrong is one too many and one too few", 'weather(location="Oslo", days=2)', 'weather(location="Oslo", days=3)', 1, 1, 1),
    ("too many", "weather()", 'weather(location="Oslo")', 0, 1, 0),
    ("too few", 'weather(location="Oslo")', "weather()", 0, 0, 1),
    ("a default is no argument", "weather(days=1)", "weather()", 0, 0, 0),
    ("the right value of a wrong skill is wrong", 'weather(location="x")', 'timer(duration="5 minutes", label="x")', 0, 2, 1),
    ("the items of a list", 'media(action="play", names=["a", "b"])', 'media(action="play", names=["b", "c"])', 2, 1, 1),
    ("of several calls together", f'{FIVE}; weather(days=2)', f'{FIVE}; weather(days=3)', 1, 1, 1),
    ("missed", 'weather(location="Oslo", days=2)', "other()", 0, 0, 2),
    ("acted on stray talk", "other()", FIVE, 0, 1, 0),
    ("invalid", 'weather(location="Oslo", days=2)', None, 0, 0, 2),
]  # fmt: skip


@pytest.mark.parametrize(("why", "gold", "predicted", "tp", "fp", "fn"), ARGUMENTS, ids=[row[0] for row in ARGUMENTS])
def test_arguments(why: str, gold: str, predicted: str | None, tp: int, fp: int, fn: int) -> None:
    found = verdict(case(gold), predicted)
    assert (found.tp, found.fp, found.fn) == (tp, fp, fn)


def test_gold_that_its_type_refuses_is_compared_as_it_stands() -> None:
    """Public data has two values where the signature has room for one."""
    gold = Case("1", "x", ((Call("weather", {"location": ["Oslo", "Rome"]}),),))
    found = judge(gold, (Call("weather", {"location": "Rome"}),), REGISTRY.specs)
    assert (found.exact, found.tp, found.fp, found.fn) == (False, 1, 0, 1)


ALTERNATIVES = [  # why, gold, predicted, exact, skill, (tp, fp, fn)
    ("the second", ("weather()", FIVE), FIVE, True, True, (1, 0, 0)),
    ("the nearest is what it is scored against", ('weather(location="Oslo")', 'timer(duration="1 hour", label="tea")'), 'timer(duration="1 hour")', False, True, (1, 0, 1)),
    ("none", ("weather()", FIVE), 'media(action="play")', False, False, (0, 1, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "gold", "predicted", "exact", "skill", "counts"), ALTERNATIVES, ids=[row[0] for row in ALTERNATIVES])
def test_any_alternative_counts(why: str, gold: tuple[str, ...], predicted: str, exact: bool, skill: bool, counts: tuple[int, int, int]) -> None:
    found = verdict(case(*gold), predicted)
    assert (found.exact, found.skill, (found.tp, found.fp, found.fn)) == (exact, skill, counts)


ACTING = [  # gold, predicted, false call, missed call
    (("other()",), FIVE, True, False),
    (("other()",), "other()", False, False),
    (("other()",), None, False, False),  # wrong, yet nothing was done
    ((FIVE,), "other()", False, True),
    ((FIVE,), None, False, True),
    ((FIVE,), "weather()", False, False),
    ((FIVE, "other()"), "other()", False, False),  # both are right
    ((FIVE, "other()"), "weather()", False, False),
]


@pytest.mark.parametrize(("gold", "predicted", "false_call", "missed_call"), ACTING)
def test_false_and_missed_calls(gold: tuple[str, ...], predicted: str | None, false_call: bool, missed_call: bool) -> None:
    found = verdict(case(*gold), predicted)
    assert (found.false_call, found.missed_call) == (false_call, missed_call)


@pytest.mark.parametrize("gold", ["other()", FIVE])
def test_an_invalid_answer_is_never_right_and_never_other(gold: str) -> None:
    found = verdict(case(gold), None)
    assert (found.valid, found.exact, found.skill) == (False, False, False)


VALID = [
    (FIVE, True),
    ("other()", True),
    ("weather()", True),
    ("timer()", False),  # a required argument is missing
    ('timer(duration="blue")', False),
    ('timer(duration="5 minutes", colour="red")', False),
    ("tea()", False),  # not installed
    ('other(why="no")', False),
    (f"{FIVE}; tea()", False),
]


@pytest.mark.parametrize(("calls", "valid"), VALID)
def test_valid(calls: str, valid: bool) -> None:
    assert is_valid(Call.parse_all(calls), REGISTRY.specs) is valid


def test_no_call_is_not_valid() -> None:
    assert not is_valid((), REGISTRY.specs)


def test_names_and_triples() -> None:
    calls = Call.parse_all(f'weather(days=2); {FIVE}; timer(duration="five minutes"); other()')
    assert skill_names(calls) == ["timer", "weather"]
    assert skill_names(Call.parse_all("other()")) == ["other"]
    assert dict(triples(calls, REGISTRY.specs)) == {("weather", "days", "2"): 1, ("timer", "duration", '"5 minutes"'): 1}


def test_verdicts_of_several() -> None:
    found = judge_all([case(FIVE), case("other()")], [None, Call.parse_all("other()")], REGISTRY.specs)
    assert [item.exact for item in found] == [False, True]
    with pytest.raises(ValueError, match="shorter"):
        judge_all([case(FIVE)], [], REGISTRY.specs)


calls = st.lists(
    st.one_of(
        st.builds(lambda minutes: Call("timer", {"duration": f"{minutes} minutes"}), st.integers(1, 3)),
        st.builds(lambda days: Call("weather", {"days": days}), st.integers(1, 3)),
        st.just(Call("other")),
    ),
    min_size=1,
    max_size=3,
)


@given(calls, calls, st.booleans())
def test_what_the_verdict_says_fits_together(gold: list[Call], predicted: list[Call], ordered: bool) -> None:
    item = Case("1", "x", (tuple(gold),), ordered=ordered)
    found = judge(item, predicted, REGISTRY.specs)
    assert found.exact == same_calls(gold, predicted, ordered)
    assert not found.exact or (found.skill and not found.fp and not found.fn)
    assert not (found.false_call and found.missed_call)
    assert found.tp + found.fp == triples(predicted, REGISTRY.specs).total()
    assert found.exact or found.tp + found.fn == triples(gold, REGISTRY.specs).total()
    assert judge(item, gold, REGISTRY.specs).exact
    if not ordered:
        assert judge(item, list(reversed(predicted)), REGISTRY.specs) == found
