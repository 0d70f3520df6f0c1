"""Where sentences end, and what of them is spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.tts.sentences import LONGEST, SentenceCutter, sentences, speakable

PIECES = st.lists(
    st.sampled_from(["Dr. ", "3.5", "Hello", " ", "\n", ". ", "! ", "? ", "...", "no. ", "5", "p.m. ", "The", "https://a.b/c.d ", "“", "” ", ")", "。", "x" * 90, ", ", "e.g. ", "A. "])
    | st.text(max_size=12)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 3.5 degrees. Take a coat!", ["It is 3.5 degrees.", "Take a coat!"]),
        ("Dr. Who met Mrs. Smith on Baker St. today. They talked.", ["Dr. Who met Mrs. Smith on Baker St. today.", "They talked."]),
        ("See https://www.example.com/a.b?c=d. Then go on.", ["See https://www.example.com/a.b?c=d.", "Then go on."]),
        ("At 5 p.m. in Rome. At 6 p.m. We leave.", ["At 5 p.m. in Rome.", "At 6 p.m.", "We leave."]),
        ("No. 5 is alive. No. I said no.", ["No. 5 is alive.", "No.", "I said no."]),
        ("J. R. R. Tolkien wrote it.", ["J. R. R. Tolkien wrote it."]),
        ("1. Milk\n2. Eggs", ["1. Milk", "2. Eggs"]),
        ("Wait... what? Yes… No.", ["Wait... what?", "Yes…", "No."]),
        ('"Stop!" he said. "Go."', ['"Stop!" he said.', '"Go."']),
        ("fruit, e.g. Apples. (Or pears.) Good?", ["fruit, e.g. Apples.", "(Or pears.)", "Good?"]),
        ("Version 2.0.1 of example.com is out.", ["Version 2.0.1 of example.com is out."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("no full stop", ["no full stop"]),
        (" \n ", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_sentence_is_handed_on_as_soon_as_the_next_begins() -> None:
    cutter = SentenceCutter()
    assert list(cutter.push("It rains")) == []
    assert list(cutter.push(". ")) == []  # "3. 5"? "approx. ten"? The next letter decides
    assert list(cutter.push("T")) == ["It rains."]
    assert list(cutter.push("ake a coat")) == []
    assert list(cutter.flush()) == ["Take a coat"]
    assert list(cutter.flush()) == []


def test_what_has_no_full_stop_is_cut_at_a_comma() -> None:
    clause = "and the fox went on, "
    cut = sentences(clause * 30)
    assert all(len(part) <= LONGEST and part.endswith("on,") for part in cut)
    assert len(cut) > 2


@given(PIECES)
def test_nothing_is_lost_and_nothing_is_empty(pieces: list[str]) -> None:
    text = "".join(pieces)
    cut = sentences(text)
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert all(part == part.strip() and part and len(part) <= LONGEST for part in cut)


@given(PIECES)
def test_it_does_not_matter_how_the_text_comes(pieces: list[str]) -> None:
    cutter = SentenceCutter()
    streamed = [sentence for piece in pieces for sentence in cutter.push(piece)]
    assert [*streamed, *cutter.flush()] == sentences("".join(pieces))


@pytest.mark.parametrize(
    ("sentence", "spoken"),
    [
        ("**Bold** and `code`.", "Bold and code."),
        ("[The page](https://a.b/c) is at https://www.example.com/x?y=z", "The page is at example.com"),
        ("# Heading", "Heading"),
        ("- a list", "a list"),
        ("[[volm 0]] quiet", "volm 0 quiet"),
        ("Done 🙂\x07", "Done"),
        ("2 * 3 is 6", "2 * 3 is 6"),
        ("snake_case", "snake_case"),
        ("…", ""),
        ("🙂", ""),
        ("", ""),
    ],
)
def test_what_is_for_the_eye_is_not_spoken(sentence: str, spoken: str) -> None:
    assert speakable(sentence) == spoken
