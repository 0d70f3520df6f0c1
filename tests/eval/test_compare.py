"""`otto eval compare`: runs of the real runner, whose flips are known beforehand; p values counted by hand from the binomial."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from eval.compare import BETTER, UNDECIDED, WORSE, Comparison, Measure, compare, pair
from eval.runs import Run
from otto.errors import UsageError
from tests.eval.made_runs import LESSONS_A, LESSONS_B, ROWS, TWISTED_B, make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def a(folder: Path) -> Run:
    return make(folder, "a", LESSONS_A)


@pytest.fixture(scope="module")
def b(folder: Path) -> Run:
    return make(folder, "b", LESSONS_B, TWISTED_B)


@pytest.fixture(scope="module")
def lights(folder: Path) -> Run:
    """Knows the lights alone: 4 of 4, and the 4 strays."""
    return make(folder, "lights", [id for id in ROWS if id[0] == "l"])


@pytest.fixture(scope="module")
def found(a: Run, b: Run) -> Comparison:
    return compare(a, b)


def test_what_flipped_both_ways(found: Comparison) -> None:
    assert [one["id"] for one, _ in found.lost] == ["w5", "l3", "s3"]
    assert [one["id"] for one, _ in found.gained] == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert all(one["exact"] and not other["exact"] for one, other in found.lost)


@pytest.mark.parametrize(
    ("name", "n", "of_a", "of_b", "only_a", "only_b", "p"),
    [
        ("exact_match", 20, 14 / 20, 17 / 20, 3, 6, 2 * (1 + 9 + 36 + 84) / 2**9),
        ("skill_accuracy", 20, 14 / 20, 18 / 20, 2, 6, 2 * (1 + 8 + 28) / 2**8),
        ("valid_call_rate", 20, 1, 1, 0, 0, 1),
        ("false_call_rate", 4, 0, 1 / 4, 1, 0, 1),
        ("missed_call_rate", 16, 6 / 16, 1 / 16, 1, 6, 2 * (1 + 7) / 2**7),
        ("argument_f1", 20, 20 / 26, 28 / 32, None, None, None),  # 10 of 16 found and none wrong; 14, two wrong, two missed
    ],
)
def test_each_measure(found: Comparison, name: str, n: int, of_a: float, of_b: float, only_a: int | None, only_b: int | None, p: float | None) -> None:
    measure = found.measures[name]
    assert (measure.n, measure.only_a, measure.only_b) == (n, only_a, only_b)
    assert (measure.a, measure.b) == pytest.approx((of_a, of_b))
    assert measure.p == (None if p is None else pytest.approx(p))
    assert measure.verdict == UNDECIDED
    if of_a != of_b:
        assert measure.low is not None and measure.high is not None and measure.difference is not None
        assert measure.low <= measure.difference <= measure.high
    else:
        assert measure.low is measure.high is None


def test_by_skill_with_holms_correction(found: Comparison) -> None:
    flips = {name: (measure.n, measure.only_a, measure.only_b) for name, measure in found.by_skill.items()}
    assert flips == {"lights": (4, 1, 0), "other": (4, 1, 0), "timer": (6, 0, 6), "weather": (6, 1, 0)}
    assert found.by_skill["timer"].p == pytest.approx(4 * 2 / 2**6)  # four skills are looked at together
    assert found.by_skill["weather"].p == 1


def test_the_other_way_round_all_is_mirrored(a: Run, b: Run, found: Comparison) -> None:
    back = compare(b, a)
    assert [one["id"] for one, _ in back.gained] == [one["id"] for one, _ in found.lost]
    assert back.measures["exact_match"].difference == pytest.approx(-(found.measures["exact_match"].difference or 0))
    assert back.measures["exact_match"].p == pytest.approx(found.measures["exact_match"].p)


def test_a_run_is_no_better_than_itself(a: Run) -> None:
    same = compare(a, a)
    assert same.verdict == UNDECIDED
    assert (same.lost, same.gained) == ((), ())
    assert {measure.difference for measure in same.measures.values()} == {0}


def test_six_losses_and_no_gain_are_worse(a: Run, lights: Run) -> None:
    worse = compare(a, lights)
    assert worse.measures["exact_match"].p == pytest.approx(2 / 2**6)
    assert worse.verdict == WORSE
    assert compare(lights, a).verdict == BETTER


def test_six_losses_of_one_group_are_one_loss(folder: Path) -> None:
    """The same flips; the bootstrap draws the group as a whole, and a third of its draws are without it."""
    grouped = [make(folder, f"grouped-{name}", lessons, group="one speaker") for name, lessons in (("a", LESSONS_A), ("b", [id for id in ROWS if id[0] == "l"]))]
    measure = compare(*grouped).measures["exact_match"]
    assert measure.p == pytest.approx(2 / 2**6)
    assert measure.high == 0
    assert measure.verdict == UNDECIDED


def test_more_false_calls_are_worse_though_exact_calls_are_not_shown_to_be(found: Comparison) -> None:
    false_calls = replace(found.measures["false_call_rate"], p=0.03, low=0.1, high=0.4)
    assert replace(found, measures={**found.measures, "false_call_rate": false_calls}).verdict == WORSE


@pytest.mark.parametrize(
    ("p", "low", "high", "lower_is_better", "verdict"),
    [
        (0.01, 0.1, 0.3, False, BETTER),
        (0.01, -0.3, -0.1, False, WORSE),
        (0.01, 0.1, 0.3, True, WORSE),
        (0.01, -0.3, -0.1, True, BETTER),
        (0.05, 0.1, 0.3, False, UNDECIDED),  # McNemar does not show it
        (0.01, -0.1, 0.3, False, UNDECIDED),  # the bootstrap does not show it
        (0.01, 0.0, 0.3, False, UNDECIDED),
        (None, 0.1, 0.3, False, UNDECIDED),
        (1.0, None, None, False, UNDECIDED),
    ],
)
def test_both_tests_must_show_it(p: float | None, low: float | None, high: float | None, lower_is_better: bool, verdict: str) -> None:
    assert Measure(20, 0.5, 0.5, low, high, 1, 1, p, lower_is_better).verdict == verdict


def test_pairs_are_by_id_whatever_the_order(a: Run, b: Run) -> None:
    paired = pair(a, replace(b, rows=tuple(reversed(b.rows))))
    assert [one["id"] for one, _ in paired.pairs] == [other["id"] for _, other in paired.pairs] == list(ROWS)


def test_what_one_run_has_alone_is_named(a: Run, folder: Path) -> None:
    some = make(folder, "some", LESSONS_A, only=["w0", "w1", "t0"])
    paired = pair(a, some)
    assert (len(paired.pairs), len(paired.only_a), paired.only_b) == (3, 17, ())
    assert pair(some, a).only_b == paired.only_a


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: {"id": f"other-{row['id']}"}, "no case in common: 20 cases"),
        (lambda row: {"text": row["text"] + "!"}, "20 of the 20 ids that the runs share stand for other words or another expected call, the first w0"),
        (lambda row: {"gold": [["other()"]]} if row["id"] == "t1" else {}, "1 of the 20 ids .* the first t1"),
    ],
)
def test_other_cases_are_refused(a: Run, change: Callable[[dict[str, object]], dict[str, object]], says: str) -> None:
    changed = replace(a, rows=tuple({**row, **change(row)} for row in a.rows))
    with pytest.raises(UsageError, match=says):
        compare(a, changed)


def test_the_command(capfd: pytest.CaptureFixture[str], a: Run, b: Run) -> None:
    code, out, err = invoke(capfd, "compare", a.folder, b.folder)
    assert (code, err) == (0, "")
    assert "20 cases in pairs" in out
    assert "No difference is shown between B and A." in out
    assert "Lost: right in A, wrong in B: 3" in out
    assert "Gained: wrong in A, right in B: 6" in out
    assert "<img src=x" not in out  # a stray that did not flip is not listed


def test_json_is_one_object_with_every_flip(capfd: pytest.CaptureFixture[str], a: Run, b: Run) -> None:
    code, out, _ = invoke(capfd, "compare", a.folder, b.folder, "--json", "--flips", "0")
    printed = json.loads(out)
    assert code == 0
    assert printed["paired"] == 20
    assert printed["verdict"] == UNDECIDED
    assert [flip["id"] for flip in printed["lost"]] == ["w5", "l3", "s3"]
    assert printed["lost"][2] == {"id": "s3", "text": ROWS["s3"]["text"], "gold": [["other()"]], "a": ["other()"], "b": ['timer(duration="again")']}
    assert printed["measures"]["exact_match"]["difference"] == pytest.approx(0.15)
    assert set(printed["latency_ms"]["b"]) == {"p50", "p95"}


@pytest.mark.parametrize(("one", "other", "code"), [("a", "lights", 1), ("lights", "a", 0), ("a", "b", 0), ("a", "a", 0)])
def test_fail_if_worse(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest, one: str, other: str, code: int) -> None:
    first, second = (request.getfixturevalue(name).folder for name in (one, other))
    assert invoke(capfd, "compare", first, second, "--fail-if-worse")[0] == code
    assert invoke(capfd, "compare", first, second)[0] == 0


def test_fail_if_worse_fails_where_cases_are_missing(capfd: pytest.CaptureFixture[str], a: Run, folder: Path) -> None:
    few = make(folder, "few", LESSONS_A, only=["w0", "w1"])
    code, out, err = invoke(capfd, "compare", a.folder, few.folder, "--fail-if-worse")
    assert code == 1
    assert "18 cases that only A has are not compared, the first: w2" in out
    assert err == "B lacks 18 cases of A, so that it may be worse in these; run B over all of them.\n"
    assert invoke(capfd, "compare", few.folder, a.folder, "--fail-if-worse")[0] == 0  # more cases in B than in A are no reason


def test_what_is_no_run_is_refused_in_a_sentence(capfd: pytest.CaptureFixture[str], a: Run, tmp_path: Path) -> None:
    code, out, err = invoke(capfd, "compare", a.folder, tmp_path)
    assert (code, out) == (1, "")
    assert err == f"{tmp_path} holds no results.jsonl; give the folder that otto eval run wrote (its --out).\n"


def invoke(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit code and what was printed."""
    from eval.cli import app
    from otto.cli import run_app

    capfd.readouterr()
    code = run_app(app, "otto eval", [str(argument) for argument in arguments])
    printed = capfd.readouterr()
    return code, printed.out, printed.err
