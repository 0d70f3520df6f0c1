"""Intervals and calibration, held against scipy, published examples and figures worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from eval.statistics import (
    Rate,
    bootstrap_f1,
    calibration_bins,
    expected_calibration_error,
    mcnemar_exact,
    paired_bootstrap,
    percentile,
    rate,
    ratio,
    risk_coverage,
    wilson,
)

NOTHING = Rate(None, None, None, 0)


def approximately(low: float, high: float) -> object:
    return pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_has_the_published_intervals(count: int, n: int, low: float, high: float) -> None:
    found = wilson(count, n)
    assert (found.low, found.high) == approximately(low, high)
    assert (found.value, found.n) == (count / n, n)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(pair: tuple[int, int]) -> None:
    count, n = pair
    theirs = binomtest(count, n).proportion_ci(method="wilson")
    ours = wilson(count, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert ours.low is not None and ours.value is not None and ours.high is not None
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == rate([]) == ratio([], []) == expected_calibration_error([], []) == NOTHING
    assert bootstrap_f1([], [], []) == (NOTHING, NOTHING, NOTHING)
    assert NOTHING.to_json() == {"value": None, "low": None, "high": None, "n": 0}
    assert (risk_coverage([], []), percentile([], 0.5)) == ([], None)
    with pytest.raises(ValueError, match="needs cases"):
        paired_bootstrap([], [])


def test_cases_on_their_own_have_wilsons_interval() -> None:
    hits = [True] * 30 + [False] * 10
    assert rate(hits) == rate(hits, [""] * 40) == rate(hits, [str(number) for number in range(40)]) == wilson(30, 40)


def test_cases_of_one_group_count_as_little_more_than_one() -> None:
    """Ten voices, each right in all of its ten sentences or in none: what is known is ten trials, not a hundred."""
    hits = [voice < 7 for voice in range(10) for _ in range(10)]
    groups = [f"voice {voice}" for voice in range(10) for _ in range(10)]
    found = rate(hits, groups)
    of_ten = bootstrap(([1.0] * 7 + [0.0] * 3,), np.mean, n_resamples=9999, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((of_ten.low, of_ten.high), abs=0.11)  # one voice is a tenth
    assert (found.value, found.n) == (0.7, 100)
    alone = rate(hits)
    assert found.low is not None and alone.low is not None and found.low < alone.low - 0.1


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_still_leaves_doubt(right: bool) -> None:
    groups = [f"voice {number // 10}" for number in range(100)]
    assert rate([right] * 100, groups) == Rate(float(right), *[(wilson(10, 10) if right else wilson(0, 10)).__dict__[name] for name in ("low", "high")], 100)


def test_f1_by_hand() -> None:
    precision, recall, f1 = bootstrap_f1([2, 0, 1], [0, 1, 0], [0, 1, 2])
    assert (precision.value, recall.value, f1.value) == pytest.approx((3 / 4, 3 / 6, 6 / 10))
    assert precision.n == recall.n == f1.n == 3


def test_the_bootstrap_is_scipys() -> None:
    rng = np.random.default_rng(3)
    tp, fp, fn = rng.integers(0, 4, 400), rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    theirs = bootstrap(
        (tp, fp, fn),
        lambda tp, fp, fn, axis: 2 * tp.sum(axis) / (2 * tp.sum(axis) + fp.sum(axis) + fn.sum(axis)),
        paired=True, n_resamples=9999, method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    f1 = bootstrap_f1(tp.tolist(), fp.tolist(), fn.tolist())[2]
    assert (f1.low, f1.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_intervals_are_the_same_at_every_call() -> None:
    assert ratio([1, 0, 1, 1], [1, 1, 1, 2]) == ratio([1, 0, 1, 1], [1, 1, 1, 2])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", "a", "b"])), max_size=30))
def test_a_ratio_lies_within_its_interval(rows: list[tuple[int, int, int, str]]) -> None:
    for found in bootstrap_f1(*([row[place] for row in rows] for place in range(3)), [row[3] for row in rows]):  # type: ignore[arg-type]
        if found.value is not None:
            assert found.low is not None and found.high is not None
            assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (150, 86, 3.716e-05),  # Agresti 1990, p. 350, approval of the prime minister; p from R's exact2x2 (Fay 2010)
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 6, 2 * 0.5**6),
    ],
)
def test_mcnemar(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar_exact(only_a, only_b) == pytest.approx(p, rel=1e-3)
    assert mcnemar_exact(only_b, only_a) == pytest.approx(p, rel=1e-3)


def test_a_paired_difference() -> None:
    rng = np.random.default_rng(5)
    a = rng.random(500) < 0.6
    b = np.where(rng.random(500) < 0.9, a, rng.random(500) < 0.9)
    theirs = bootstrap((b.astype(float) - a,), np.mean, n_resamples=9999, method="percentile", rng=1).confidence_interval
    ours = paired_bootstrap(a.tolist(), b.tolist())
    assert ours.value == pytest.approx(float((b.astype(float) - a).mean()))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_the_calibration_error_by_hand() -> None:
    # bin 0.9 to 1: four cases at 0.95, three right; bin 0.3 to 0.4: two at 0.3, none right: 4/6 * |0.95 - 0.75| + 2/6 * 0.3
    confidences, correct = [0.95] * 4 + [0.3] * 2, [True, True, True, False, False, False]
    found = expected_calibration_error(confidences, correct)
    assert found.value == pytest.approx(4 / 6 * 0.2 + 2 / 6 * 0.3)
    filled = [item for item in calibration_bins(confidences, correct) if item.n]
    assert [(item.low, item.high, item.n) for item in filled] == [(0.3, 0.4, 2), (0.9, 1.0, 4)]
    assert [item.confidence for item in filled] == pytest.approx([0.3, 0.95])
    assert [item.accuracy for item in filled] == [0.0, 0.75]


def test_cases_that_are_all_alike_leave_doubt_of_the_calibration() -> None:
    # the low end of Wilson's interval of 5 of 5 is 5 / (5 + z²) = 0.5655
    found = expected_calibration_error([1.0] * 5, [True] * 5)
    assert (found.value, found.low, found.high) == (0, 0, pytest.approx(1 - 0.5655, abs=1e-4))
    assert expected_calibration_error([1.0] * 10, [True] * 10, ["a", "a", "b", "b", "c", "c", "d", "d", "e", "e"]).high == found.high


def test_the_ends_of_confidence_have_a_bin() -> None:
    bins = calibration_bins([0.0, 1.0, 0.1], [False, True, True])
    assert [item.n for item in bins] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bins[5].confidence is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_bins_are_the_error(rows: list[tuple[float, bool]]) -> None:
    confidences, correct = [row[0] for row in rows], [row[1] for row in rows]
    found = expected_calibration_error(confidences, correct)
    bins = calibration_bins(confidences, correct)
    assert sum(item.n for item in bins) == len(rows)
    by_bins = sum(item.n * abs(item.confidence - item.accuracy) for item in bins if item.confidence is not None and item.accuracy is not None)
    assert found.value == pytest.approx(by_bins / len(rows), abs=1e-9)
    assert found.low is not None and found.high is not None and found.value is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_risk_and_coverage_by_hand() -> None:
    # cases of one confidence come together: no threshold parts them
    assert risk_coverage([0.9, 0.8, 0.8, 0.1], [True, False, True, False]) == [(0.25, 0.0), (0.75, pytest.approx(1 / 3)), (1.0, 0.5)]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=300))
def test_the_curve_ends_at_the_error_of_all(rows: list[tuple[float, bool]]) -> None:
    curve = risk_coverage([row[0] for row in rows], [row[1] for row in rows])
    assert len(curve) <= 100
    assert curve[-1] == (1.0, pytest.approx(sum(not row[1] for row in rows) / len(rows)))
    assert all(one[0] < other[0] for one, other in pairwise(curve))


def test_percentile() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2.5
