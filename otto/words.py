"""Splits a text into the words that templates, the tagger and the embedded Llama work on, with their places in the text.

Case and sentence punctuation carry no meaning for a command, and speech has neither: words are lower case and without them.
Numbers, units and operators stand alone ("10km" is two words, "2*(3+4)" seven), so that a span can begin or end there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(
    r"""
    \d+(?:[.,:]\d+)*          # 5, 3.5, 1,250, 7:30
    | ['’](?:s|S)\b           # the 's of "today's"
    | [^\W\d_]+(?:(?:['’](?![sS]\b)|[.](?=[^\W\d_]{2}))[^\W\d_]+)*   # words, don't, readme.txt
    | [^\w\s]                 # one symbol
    | _
    """,
    re.VERBOSE,
)
_SENTENCE_MARKS = frozenset(".,!?;:…\"“”‘’'`()[]{}<>«»–—")
_JOINED_MARKS = frozenset("+-*/^%=()°$€£&@#×÷−√.")


@dataclass(frozen=True)
class Word:
    """One word, lower case, and where it stands: `text[start:end]`."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=256)
def split_words(text: str) -> tuple[Word, ...]:
    """The words of a text in order. A sentence mark is a word only where it may be arithmetic: a bracket or point beside a number or an operator."""
    matches = list(_WORD.finditer(text))
    words = []
    for index, match in enumerate(matches):
        piece = match.group()
        if piece in _SENTENCE_MARKS and not _arithmetic(text, matches, index):
            continue
        if piece == "-" and re.match(r"[^\W\d_]-[^\W\d_]", text[max(match.start() - 1, 0) : match.end() + 1]):
            continue  # "twenty-five" is said as "twenty five"
        words.append(Word(piece.lower().replace("’", "'"), match.start(), match.end()))
    return tuple(words)


def normal_text(text: str) -> str:
    """The words joined by single spaces."""
    return " ".join(word.text for word in split_words(text))


def span_text(text: str, words: tuple[Word, ...], first: int, last: int) -> str:
    """What was said from word `first` to word `last` inclusive, as it stands in the text."""
    return text[words[first].start : words[last].end]


def _arithmetic(text: str, matches: list[re.Match[str]], index: int) -> bool:
    """Whether the mark at `index` may be part of a formula: a bracket beside a number or an operator."""
    if matches[index].group() not in "()":
        return False
    near = (matches[i].group() for i in (index - 1, index + 1) if 0 <= i < len(matches))
    return any(item[0].isdigit() or item in _JOINED_MARKS for item in near)
