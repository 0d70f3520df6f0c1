"""Scores: shares with their intervals, and what counts as exact, missed and false."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from finetune.embedded.score import Share, score
from otto import Call

NEWCOMBE = [
    # count, n, low, high: Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3 (the score method)
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("count", "n", "low", "high"), NEWCOMBE)
def test_intervals_as_published(count: int, n: int, low: float, high: float) -> None:
    assert Share(count, n).interval == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_those_of_scipy(pair: tuple[int, int]) -> None:
    count, n = pair
    wanted = binomtest(count, n).proportion_ci(0.95, method="wilson")
    assert Share(count, n).interval == (pytest.approx(wanted.low, abs=1e-7), pytest.approx(wanted.high, abs=1e-7))


def test_nothing_is_known_of_no_cases() -> None:
    assert (Share(0, 0).value, Share(0, 0).interval) == (0.0, (0.0, 1.0))
    assert Share(0, 0).to_json() == {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}


def test_as_json() -> None:
    assert Share(81, 263).to_json() == {"value": 0.308, "low": 0.2553, "high": 0.3662, "n": 263}


CASES = [
    # what the router says, what was meant, exact, right skill, missed, false call, reason
    ('timer(duration="5 minutes")', 'timer(duration="5 minutes")', 1, 1, 0, None, "it is the call"),
    ('volume(level=3, action="set")', 'volume(action="set", level=3)', 1, 1, 0, None, "the order of arguments means nothing"),
    ('timer(duration="6 minutes")', 'timer(duration="5 minutes")', 0, 1, 0, None, "another value"),
    ("timer()", 'timer(duration="5 minutes")', 0, 1, 0, None, "a value is missing"),
    ('timer(duration="5 minutes", name="tea")', 'timer(duration="5 minutes")', 0, 1, 0, None, "a value too many"),
    ('volume(level="3")', "volume(level=3)", 0, 1, 0, None, "a text is no number where the skill is not installed"),
    ('alarm(time="07:00")', 'timer(duration="5 minutes")', 0, 0, 0, None, "another skill is wrong and not missed"),
    ("other()", 'timer(duration="5 minutes")', 0, 0, 1, None, "nothing is done"),
    ("other()", "other()", None, None, None, 0, "stray talk that is left alone"),
    ("joke()", "other()", None, None, None, 1, "stray talk that is acted on"),
]


@pytest.mark.parametrize(("said", "meant", "exact", "skill", "missed", "false", "reason"), CASES, ids=[row[-1] for row in CASES])
def test_one_case(said: str, meant: str, exact: int | None, skill: int | None, missed: int | None, false: int | None, reason: str) -> None:
    found = score([("text", Call.parse(meant))], lambda text: Call.parse(said))
    for name, wanted in (("exact", exact), ("skill", skill), ("missed", missed), ("false_calls", false)):
        assert (found[name]["n"], found[name]["value"]) == ((0, 0.0) if wanted is None else (1, wanted)), f"{name}: {reason}"


def test_all_cases_together() -> None:
    said = {str(number): Call.parse(row[0]) for number, row in enumerate(CASES)}
    found = score([(str(number), Call.parse(row[1])) for number, row in enumerate(CASES)], said.__getitem__)
    assert {name: (share["value"], share["n"]) for name, share in found.items()} == {
        "exact": (2 / 8, 8),
        "skill": (6 / 8, 8),
        "missed": (1 / 8, 8),
        "false_calls": (1 / 2, 2),
    }


def test_no_cases() -> None:
    assert {share["n"] for share in score([], lambda text: Call("other")).values()} == {0}
