"""When a phrase is taken for what was said. The texts and likelihoods are what the model made of recordings."""

from __future__ import annotations

import pytest

from otto.stt.agreement import Agreement, confidence_of, garbled
from otto.stt.search import Reading, Sentence


def confidence(phrase: str, likelihood: float, free: str, free_likelihood: float) -> float:
    sentence = Sentence(tuple(phrase.split()), phrase, likelihood)
    return Agreement.of(sentence, Reading((1,), (free_likelihood,)), free).confidence


@pytest.mark.parametrize(
    ("phrase", "likelihood", "free", "free_likelihood"),
    [
        ("set a timer for five minutes", -0.5, "Set a timer for five minutes.", -0.5),
        ("brew a triple shot americano with a lot of skim milk", -6.8, "Ru a triple shot Americana with a lot of skim milk", -2.9),
        ("can i have a dark roast house coffee with lots of sweetener", -2.0, "Can I have a dark rose house copy with lots of sweetener?", -3.5),
        ("cancel my wake up call", -6.0, "Cancel microwave cup, Carl", -6.0),
        ("how much disk space is left", -2.4, "How much diskspace is left,", -2.3),
    ],
)
def test_what_was_nearly_heard_is_the_phrase(phrase: str, likelihood: float, free: str, free_likelihood: float) -> None:
    assert confidence(phrase, likelihood, free, free_likelihood) > 0.5


@pytest.mark.parametrize(
    ("phrase", "likelihood", "free", "free_likelihood", "why"),
    [
        ("rufus", -38.1, "Ru a triple shot Americana with a lot of skim milk", -2.9, "a name where an order was said"),
        ("clock", -19.7, "The clock in the kitchen is wrong. What's the right time?", -2.4, "one word of many"),
        ("chat", -2.9, "Chat GPT time, why are flamingos pink?", -1.0, "the beginning alone"),
        ("i'm a half square feet weeks", -74.6, "I want a house coffee with a lot of sweetener", -1.3, "made up"),
        ("skip", -15.0, "Skip the rest of this swung.", -1.5, "the beginning alone"),
    ],
)
def test_what_is_far_from_what_was_heard_is_not(phrase: str, likelihood: float, free: str, free_likelihood: float, why: str) -> None:
    assert confidence(phrase, likelihood, free, free_likelihood) < 0.5, why


@pytest.mark.parametrize(
    ("tokens", "likelihoods", "is_garbled", "why"),
    [
        ((1, 2, 3, 4), (-0.1, -0.2, -0.1, -0.1, -0.1), False, "plain speech"),
        ((), (-0.1,), False, "nothing"),
        ((1, 2, 3, 4), (-2.0, -3.0, -1.0, -2.0, -1.0), True, "unlikely to the model itself"),
        ((7, 8) * 6, (-0.1,) * 12, True, "round in a circle"),
        ((7,) * 9, (-0.1,) * 9, True, "one word over and over"),
        ((7, 8, 7, 8, 7, 8), (-0.1,) * 7, False, "three times can be meant"),
    ],
)
def test_garbled(tokens: tuple[int, ...], likelihoods: tuple[float, ...], is_garbled: bool, why: str) -> None:
    assert garbled(Reading(tokens, likelihoods)) is is_garbled, why


def test_confidence_is_the_mean_likelihood_of_a_token() -> None:
    assert confidence_of(Reading((1, 2), (-0.1, -0.2, -0.3))) == pytest.approx(0.8187307530779818)  # exp(-0.2)
