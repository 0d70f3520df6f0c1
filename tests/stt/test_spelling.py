"""A grammar as tokens: whatever they spell is a sentence of it, and every sentence can be spelt."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.stt.jsgf import read_jsgf
from otto.stt.spelling import Spelling

WORDS = ["set", "a", "timer", "timers", "for", "twenty", "five", "what's", "the", "time", "percent", "double", "shot"]
MARKS = [" ", ",", ".", "?", "-", "!", ", ", "% "]
PIECES = [
    "", "<unk>",
    *"abcdefghijklmnopqrstuvwxyz'%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", *MARKS,
    " set", " Set", " a", " tim", "er", "ers", " T", " t", " for", " twenty", " five", " what", "'s", " the", " time", " dou", "ble", " sh", "ot", "ed", "s", "\u00e9", " 2", "25",
]  # fmt: skip

sentences = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), min_size=1, max_size=4)


def spelling_of(phrases: list[list[str]]) -> Spelling:
    rules = " | ".join(" ".join(words) for words in phrases)
    return Spelling(read_jsgf(f"#JSGF V1.0;\ngrammar g;\npublic <g> = {rules};\n"), PIECES)


def walk(spelling: Spelling, tokens: list[int]) -> int | None:
    """The state after the tokens, None where one of them may not follow."""
    state = 0
    for token in tokens:
        following = dict(zip(*(part.tolist() for part in spelling.moves(state)), strict=True))
        if token not in following:
            return None
        state = following[token]
    return state


def tokens_of(text: str) -> list[int]:
    """The longest pieces first, as the model likes them."""
    tokens: list[int] = []
    while text:
        piece = max((piece for piece in PIECES[2:] if text.startswith(piece)), key=len)
        tokens.append(PIECES.index(piece))
        text = text[len(piece) :]
    return tokens


@given(sentences)
def test_every_sentence_can_be_spelt(phrases: list[list[str]]) -> None:
    spelling = spelling_of(phrases)
    for words in phrases:
        for text in (" " + " ".join(words), " " + " ".join(words).capitalize() + ".", " " + ", ".join(words) + "?", " " + "-".join(words)):
            state = walk(spelling, tokens_of(text))
            assert state is not None, text
            assert spelling.final(state)


@given(sentences, st.randoms(use_true_random=False))
def test_whatever_is_spelt_is_a_sentence(phrases: list[list[str]], rng: random.Random) -> None:
    spelling = spelling_of(phrases)
    state, tokens = 0, list[int]()
    for _ in range(40):
        if spelling.final(state):
            words = spelling.words(spelling.text(tokens))
            assert words is not None and list(words) in phrases, spelling.text(tokens)
        following = [part.tolist() for part in spelling.moves(state)]
        if not following[0]:
            break
        place = rng.randrange(len(following[0]))
        tokens.append(following[0][place])
        state = following[1][place]


@given(sentences, st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
def test_words_are_those_of_the_grammar_or_none(phrases: list[list[str]], said: list[str]) -> None:
    found = spelling_of(phrases).words(" ".join(said))
    if said in phrases:
        assert list(found or ()) == said
    elif found is not None:  # "timer" for "timers", never another word
        assert list(found) in phrases
        assert [word.rstrip("s") for word in found] == [word.rstrip("s") for word in said]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Set a timer for 25.", "set a timer for twenty five"),
        ("set a timer for twenty-five", "set a timer for twenty five"),
        ("set a timer for 20", "set a timer for twenty"),
        ("SET A TIMER, for twenty!", "set a timer for twenty"),
        ("Whats the time?", "what's the time"),
        ("5%", "five percent"),
        ("five percent", "five percent"),
        ("double-shot", "double shot"),
        ("double shots", "double shot"),
        ("doubled-shot", "double shot"),
    ],
)
def test_ways_to_write(written: str, words: str) -> None:
    phrases = ["set a timer for twenty five", "set a timer for twenty", "what's the time", "five percent", "double shot"]
    assert " ".join(spelling_of([phrase.split() for phrase in phrases]).words(written) or ()) == words


@pytest.mark.parametrize("written", ["", "...", "set a timer for", "set a timer for 21", "timer for twenty", "what the time", "doubleshot", "fives percent now"])
def test_what_is_no_sentence(written: str) -> None:
    phrases = ["set a timer for twenty five", "what's the time", "five percent", "double shot"]
    spelling = spelling_of([phrase.split() for phrase in phrases])
    assert spelling.words(written) is None
    assert not spelling.accepts(written)


def test_nothing_but_the_grammar_may_begin_a_sentence() -> None:
    spelling = spelling_of([["timer"]])
    begun = {PIECES[token].strip(" ,.?!-").lower() for token in spelling.moves(0)[0]}
    assert begun - {""} <= {"t", "tim", "time"}
    assert not spelling.final(0)
