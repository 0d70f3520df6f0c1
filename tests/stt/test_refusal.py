"""Whether a sentence was said: two readings of one recording, compared."""

from __future__ import annotations

import math

import pytest

from otto.stt.refusal import BIAS, WEIGHTS, Evidence, Segment

SOUNDS = [Segment("SIL", 0, 9, -0.1), Segment("T", 10, 14, -0.1), Segment("IY", 15, 29, -0.2), Segment("+SPN+", 30, 39, -0.1)]


def test_the_same_sounds_in_the_same_place() -> None:
    words = [Segment("<sil>", 0, 9, -0.1), Segment("tea", 10, 29, -0.4), Segment("<sil>", 30, 39, -0.1)]
    found = Evidence.of(words, ["T", "IY"], SOUNDS)
    assert (found.likeness, found.unexplained) == (1.0, 0.0)
    assert found.ratio == pytest.approx((-0.6 + 0.5) * 1000 / 40)


def test_speech_that_the_words_leave_out() -> None:
    words = [Segment("<sil>", 0, 14, -0.3), Segment("e(2)", 15, 29, -0.2), Segment("[NOISE]", 30, 39, -0.1)]
    found = Evidence.of(words, ["IY"], SOUNDS)
    assert found.unexplained == pytest.approx(5 / 20), "the T, five of twenty frames"
    assert found.likeness == pytest.approx(0.5)


def test_nothing_heard_is_no_evidence() -> None:
    assert Evidence.of([], [], []) == Evidence(1.0, 0.0, 0.0)


@pytest.mark.parametrize(("name", "better", "worse"), [("likeness", 0.9, 0.3), ("ratio", -0.5, -3.0), ("unexplained", 0.0, 0.5)])
def test_each_sign_counts_in_its_direction(name: str, better: float, worse: float) -> None:
    doubtful = {"likeness": 0.5, "ratio": -1.5, "unexplained": 0.1}
    assert Evidence(**doubtful | {name: better}).confidence > Evidence(**doubtful | {name: worse}).confidence


def test_the_confidence_is_the_logistic_function() -> None:
    score = BIAS + 0.4 * WEIGHTS["likeness"] - 2.0 * WEIGHTS["ratio"] + 0.1 * WEIGHTS["unexplained"]
    assert Evidence(0.4, -2.0, 0.1).confidence == pytest.approx(1 / (1 + math.exp(-score)))
    assert Evidence(0.0, -1e9, 1.0).confidence == pytest.approx(0.0, abs=1e-12), "no overflow"
