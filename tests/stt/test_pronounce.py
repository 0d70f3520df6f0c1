"""Pronunciations that are made up. The expected ones are the CMU dictionary's way of writing; the words are not in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.stt.pronounce import pronounce

DICTIONARY = {
    "un": "AH N", "mute": "M Y UW T", "wi": "W AY", "fi": "F AY", "note": "N OW T", "book": "B UH K", "duck": "D AH K", "go": "G OW",
    "cat": "K AE T", "dog": "D AO G", "wish": "W IH SH", "bake": "B EY K", "want": "W AA N T", "pod": "P AA D", "cast": "K AE S T",
}  # fmt: skip
PHONES = set(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)  # of the acoustic model


@pytest.mark.parametrize(
    ("word", "phones", "reason"),
    [
        ("cat", "K AE T", "the dictionary's own"),
        ("unmute", "AH N M Y UW T", "two words in one"),
        ("wifi", "W AY F AY", "two words in one"),
        ("duckduckgo", "D AH K D AH K G OW", "three words in one"),
        ("cats", "K AE T S", "s after a voiceless sound"),
        ("dogs", "D AO G Z", "s after a voiced sound"),
        ("wishes", "W IH SH AH Z", "s after a hiss"),
        ("dog's", "D AO G Z", "possessive"),
        ("wished", "W IH SH T", "ed after a voiceless sound"),
        ("wanted", "W AA N T AH D", "ed after t"),
        ("baking", "B EY K IH NG", "the e before ing is silent"),
        ("podcasts", "P AA D K AE S T S", "two words and an ending"),
        ("kg", "K EY JH IY", "letters by name"),
        ("x", "EH K S", "one letter"),
        ("mp3", "EH M P IY TH R IY", "letters and a digit"),
        ("42", "F AO R T UW", "digits one by one"),
        ("chatgpt", "CH AE T JH IY P IY T IY", "younger than the dictionary"),
        ("zib", "Z IH B", "by rule"),
        ("shoon", "SH UW N", "by rule: two letters, one sound"),
        ("plake", "P L EY K", "by rule: a silent e makes the vowel long"),
        ("Zoë", "Z OW", "accents are not heard"),
    ],
)
def test_pronunciations(word: str, phones: str, reason: str) -> None:
    assert pronounce(word, DICTIONARY.get) == phones, reason


@given(st.text(min_size=1, max_size=30))
def test_any_word_has_a_pronunciation_that_the_acoustic_model_knows(word: str) -> None:
    phones = pronounce(word, DICTIONARY.get).split()
    assert phones
    assert set(phones) <= PHONES
