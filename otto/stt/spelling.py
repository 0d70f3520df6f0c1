"""A word graph as the tokens of a speech model that spell its sentences: capitals, commas and figures as the model likes them.

The automaton is made while it is walked. A state lies between two words or inside some: there, the words that begin as spelt so far are
neighbours in a sorted list, so a state is no more than a piece of one.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from otto.stt.jsgf import WordGraph

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.int64]

_MARKS = " ,.:!?-"  # what may stand between two words, and after the last
_MOST_MARKS = 2  # in a row
_UNITS = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_FIGURES = {word: str(value) for value, word in enumerate(["zero", *_UNITS, *_TEENS])} | {word: f"{value}0" for value, word in enumerate(_TENS, 2)}
_SPELT = {"percent": "%", "ok": "okay"} | _FIGURES  # other spellings
_ENDING = 4  # letters of a word from which it may be heard with an ending: "light roasted"
_LAST = chr(0x10FFFF)  # behind every letter


class Word(NamedTuple):
    """One way to write the next word, or two, and where it leads in the graph."""

    spelt: str
    target: int
    words: tuple[str, ...]


class _Between(NamedTuple):
    """Between two words, after so many marks."""

    places: frozenset[int]  # states of the graph
    marks: int


class _Within(NamedTuple):
    """Inside the words [first:last] of those that may follow `places`, after their first `depth` letters."""

    places: frozenset[int]
    first: int
    last: int
    depth: int


class Spelling:
    """The automaton. States are numbers; 0 is the start.

    Args:
        graph: the sentences.
        pieces: the text of each token, with a space where the model writes one; empty for tokens that spell nothing.
    """

    def __init__(self, graph: WordGraph, pieces: Sequence[str]) -> None:
        self._graph = graph
        self._pieces = [piece.lower() for piece in pieces]
        self._spelt = [piece.strip(_MARKS) for piece in self._pieces]
        self._tokens: defaultdict[str, list[int]] = defaultdict(list)
        for token, piece in enumerate(self._pieces):
            if piece and piece.isascii():
                self._tokens[piece].append(token)
        self._marks = [(piece, tokens) for piece, tokens in self._tokens.items() if not piece.strip(_MARKS)]
        self._longest = max(map(len, self._tokens))
        self._free: dict[int, frozenset[int]] = {}
        self._words: dict[int, list[Word]] = {}
        self._following_all: dict[frozenset[int], list[Word]] = {}
        self._states: list[_Between | _Within] = []
        self._numbers: dict[_Between | _Within, int] = {}
        self._moves: dict[int, tuple[Numbers, Numbers]] = {}
        self._number(_Between(self._closure([graph.start]), 0))

    def moves(self, state: int) -> tuple[Numbers, Numbers]:
        """The tokens that may follow, int64[n], and the state that each leads to, int64[n]."""
        if state not in self._moves:
            found = [(token, self._number(after)) for piece, after in self._steps(self._states[state]) for token in self._tokens[piece]]
            pairs = np.array(found, np.int64).reshape(-1, 2)
            self._moves[state] = (pairs[:, 0], pairs[:, 1])
        return self._moves[state]

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens spell, in small letters."""
        return "".join(self._pieces[token] for token in tokens).strip()

    def letters(self, tokens: Sequence[int]) -> str:
        """What the tokens spell, in small letters and without marks: equal for two ways to write one sentence, but for figures."""
        return "".join(self._spelt[token] for token in tokens)

    def final(self, state: int) -> bool:
        """Whether a sentence may end here."""
        at = self._states[state]
        return self._graph.final in (at.places if isinstance(at, _Between) else self._ends(at))

    def accepts(self, text: str) -> bool:
        """Whether the text is one of the sentences, however it is written."""
        return self.words(text) is not None

    def words(self, text: str) -> tuple[str, ...] | None:
        """The text in the words of the graph; None if it is no sentence of it."""
        written = re.split(f"[{re.escape(_MARKS)}]+", re.sub("%", " %", text.lower()).strip(_MARKS))
        paths: dict[int, tuple[str, ...]] = {self._graph.start: ()}
        for word in written:
            reached: dict[int, tuple[str, ...]] = {}
            for place, before in paths.items():
                choices = self._following(self._closure([place]))
                same = choices[bisect_left(choices, (word,)) : bisect_right(choices, (word + "\0",))]
                for choice in sorted(same, key=lambda choice: choice.words != (word,)):  # "timers" is no plural of "timer" where both are there
                    reached.setdefault(choice.target, (*before, *choice.words))
            paths = reached
        return next((words for place, words in paths.items() if self._graph.final in self._closure([place])), None)

    def _steps(self, at: _Between | _Within) -> Iterator[tuple[str, _Between | _Within]]:
        """All pieces that may follow."""
        if isinstance(at, _Between):
            yield from ((piece, at._replace(marks=at.marks + len(piece))) for piece, _ in self._marks if at.marks + len(piece) <= _MOST_MARKS)
            start = _Within(at.places, 0, len(self._following(at.places)), 0)
            yield from self._letters(start, "" if at.marks else None)
            if at.marks < _MOST_MARKS:
                yield from self._letters(start, " ")
            return
        if ends := self._ends(at):
            yield from ((piece, _Between(ends, len(piece))) for piece, _ in self._marks if len(piece) <= _MOST_MARKS)
            following = _Within(ends, 0, len(self._following(ends)), 0)
            yield from self._letters(following, " ")
            yield from ((piece, after) for piece, after in self._letters(following, "") if piece == "%")
        yield from self._letters(at, "")

    def _letters(self, at: _Within, lead: str | None) -> Iterator[tuple[str, _Within]]:
        """The pieces that go on inside the words, after a lead that the piece has too."""
        if lead is None:  # the first word of all, which the model begins with a space
            yield from self._letters(at, " ")
            lead = ""
        words, first = self._following(at.places), at.first
        seen = ""
        while first < at.last:
            spelt = words[first].spelt
            shared = _shared(seen, spelt[at.depth :])
            for length in range(shared + 1, min(len(spelt) - at.depth, self._longest) + 1):
                piece = lead + spelt[at.depth : at.depth + length]
                if piece in self._tokens:
                    end = bisect_right(words, (spelt[: at.depth + length] + _LAST,), first, at.last)
                    yield piece, _Within(at.places, first, end, at.depth + length)
            seen = spelt[at.depth :]
            first += 1

    def _ends(self, at: _Within) -> frozenset[int]:
        """The places behind the words that are whole."""
        words = self._following(at.places)[at.first : at.last]
        whole = takewhile(lambda word: len(word.spelt) == at.depth, words)  # the shortest come first
        return self._closure(word.target for word in whole)

    def _following(self, places: frozenset[int]) -> list[Word]:
        """Every way to write the next word, sorted."""
        if places not in self._following_all:
            self._following_all[places] = sorted(word for place in places for word in self._following_one(place))
        return self._following_all[places]

    def _following_one(self, place: int) -> list[Word]:
        """Those of one place. The sets of places share them."""
        if place not in self._words:
            self._words[place] = sorted({written for target, word in self._graph.after(place) if word for written in self._written(word, target)})
        return self._words[place]

    def _written(self, word: str, target: int) -> Iterator[Word]:
        for spelt in (word, word.replace("'", ""), _SPELT.get(word, word)):
            yield Word(spelt, target, (word,))
        if len(word) >= _ENDING:
            yield from (Word(written, target, (word,)) for written in (f"{word}s", f"{word.removesuffix('e')}ed"))
        if word in _TENS:
            yield from self._two_figures(word, target)

    def _two_figures(self, tens: str, target: int) -> Iterator[Word]:
        for place in self._closure([target]):
            for end, unit in self._graph.after(place):
                if unit in _UNITS:
                    yield Word(_FIGURES[tens][0] + _FIGURES[unit], end, (tens, unit))

    def _closure(self, places: Iterable[int]) -> frozenset[int]:
        found: set[int] = set()
        for place in places:
            if place not in self._free:
                self._free[place] = frozenset(self._graph.free(place))
            found |= self._free[place]
        return frozenset(found)

    def _number(self, state: _Between | _Within) -> int:
        if state not in self._numbers:
            self._numbers[state] = len(self._states)
            self._states.append(state)
        return self._numbers[state]


def _shared(one: str, other: str) -> int:
    """How many letters two words begin with in common."""
    for place, (left, right) in enumerate(zip(one, other)):  # noqa: B905  the longer one's rest is not shared
        if left != right:
            return place
    return min(len(one), len(other))
