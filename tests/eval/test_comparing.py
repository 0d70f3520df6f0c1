"""Statistics of comparisons: ratios in pairs, and many p values at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.statistics import holm, paired_ratios

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_holm_corrects_as_r_does() -> None:
    # R 4: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"), and of the same in another order
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.05, 0.01, 0.04]) == pytest.approx([0.08, 0.03, 0.08])


@pytest.mark.parametrize(("given", "corrected"), [([], []), ([0.5], [0.5]), ([0.6, 0.7], [1.0, 1.0]), ([0.0, 1.0], [0.0, 1.0])])
def test_holm_at_the_edges(given: list[float], corrected: list[float]) -> None:
    assert holm(given) == corrected


@given(SHARES)
def test_holm_raises_each_p_and_keeps_their_order(values: list[float]) -> None:
    corrected = holm(values)
    assert all(value <= more <= 1 for value, more in zip(values, corrected, strict=True))
    order = sorted(range(len(values)), key=lambda index: values[index])
    assert [corrected[index] for index in order] == sorted(corrected)


def test_equal_ratios_do_not_differ() -> None:
    difference = paired_ratios([1, 2, 3], [2, 2, 4], [1, 2, 3], [2, 2, 4])
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_a_ratio_that_is_higher_everywhere_is_shown_to_be() -> None:
    difference = paired_ratios([1] * 40, [2] * 40, [1, 2] * 20, [2, 2] * 20)
    assert difference.value == pytest.approx(0.25)
    assert 0.15 < difference.low < 0.25 < difference.high < 0.35  # sd of 40 draws of 0 or 0.5 is 0.25 / sqrt(40) = 0.04


def test_groups_widen_the_interval() -> None:
    a, b, wholes = [0] * 20 + [1] * 20, [1] * 20 + [1] * 20, [1] * 40
    alone = paired_ratios(a, wholes, b, wholes)
    together = paired_ratios(a, wholes, b, wholes, [str(index // 10) for index in range(40)])
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_ratio_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="wholes"):
        paired_ratios([0], [0], [1], [1])
