"""Words: what is one, what is dropped, and that each knows its place."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.words import normal_text, span_text, split_words

SENTENCES = [
    # said, its words
    ("Set a timer for five minutes.", "set a timer for five minutes"),
    ("What's the weather in St. Louis?", "what 's the weather in st louis"),
    ("today’s news", "today 's news"),
    ("don't stop", "don't stop"),
    ("don’t stop", "don't stop"),
    ("10km", "10 km"),
    ("10 km", "10 km"),
    ("2*(3+4)", "2 * ( 3 + 4 )"),
    ("sqrt(16), please", "sqrt ( 16 ) please"),
    ("at 7:30 a.m.", "at 7:30 a m"),
    ("1,250 euros and 3.5%", "1,250 euros and 3.5 %"),
    ("€20 or $5", "€ 20 or $ 5"),
    ("twenty-five", "twenty five"),
    ("5 - 3", "5 - 3"),
    ("-5 degrees", "- 5 degrees"),
    ("open readme.txt", "open readme.txt"),
    ("so... what?!", "so what"),
    ("“quoted” (words)", "quoted words"),
    ("ÄRGER in Zürich", "ärger in zürich"),
    ("你好 世界", "你好 世界"),
    ("rock & roll", "rock & roll"),
    ("snake_case", "snake _ case"),
    ("👍 ok", "👍 ok"),
    ("", ""),
    ("  \t\n ", ""),
    ("?!…", ""),
]


@pytest.mark.parametrize(("said", "words"), SENTENCES)
def test_words_of_a_sentence(said: str, words: str) -> None:
    assert normal_text(said) == words


def test_places() -> None:
    said = "Timer: 10km, today’s!"
    assert [(word.text, word.start, word.end) for word in split_words(said)] == [
        ("timer", 0, 5),
        ("10", 7, 9),
        ("km", 9, 11),
        ("today", 13, 18),
        ("'s", 18, 20),
    ]


def test_a_span_is_what_was_said() -> None:
    said = "Weather in St. Louis, please?"
    assert span_text(said, split_words(said), 2, 3) == "St. Louis"
    assert span_text(said, split_words(said), 0, 0) == "Weather"


anything = st.text(max_size=60) | st.text("abXÉß0159 .,:'’-+*/()%$€!?\n_", max_size=40)


@given(anything)
def test_each_word_stands_where_it_says(said: str) -> None:
    words = split_words(said)
    for word in words:
        assert word.start < word.end
        assert said[word.start : word.end].lower().replace("’", "'") == word.text
    assert all(left.end <= right.start for left, right in pairwise(words))


@given(anything)
def test_no_word_is_empty_or_has_a_space(said: str) -> None:
    assert all(word.text and not any(char.isspace() for char in word.text) for word in split_words(said))


@given(anything)
def test_letters_and_digits_are_never_lost(said: str) -> None:
    covered = {place for word in split_words(said) for place in range(word.start, word.end)}
    assert [char for place, char in enumerate(said) if char.isalnum() and place not in covered] == []


@given(st.lists(st.sampled_from("set timer five minutes o'clock 7:30 3.5 km don't what's zürich + - ( ) % €".split()), max_size=8))
def test_case_and_sentence_marks_carry_no_meaning(pieces: list[str]) -> None:
    said = " ".join(pieces)
    assert normal_text(said) == normal_text(said.upper()) == normal_text(f" {said} !") == normal_text(f"“{said}”…")


@given(st.lists(st.from_regex(r"[a-z]{1,6}|[0-9]{1,4}", fullmatch=True), max_size=8).map(" ".join))
def test_plain_words_are_left_as_they_are(said: str) -> None:
    assert normal_text(said) == said
