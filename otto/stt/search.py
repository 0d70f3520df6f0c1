"""The likeliest tokens for a sound: freely, or held to the sentences of a grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from otto.stt.moonshine_model import END, START, Hearing

if TYPE_CHECKING:
    from otto.stt.moonshine_model import Floats
    from otto.stt.spelling import Spelling

WIDTH = 6  # sentences that are followed at once
_MARGIN = 6.0  # log likelihood below the best sentence at which another is given up


@dataclass(frozen=True)
class Reading:
    """Tokens without START and END, and the log likelihood of each, END's last where they came to an end."""

    tokens: tuple[int, ...]
    likelihoods: tuple[float, ...]

    @property
    def likelihood(self) -> float:
        return sum(self.likelihoods)


@dataclass(frozen=True)
class Sentence:
    """A sentence of a grammar, in its own words."""

    words: tuple[str, ...]
    written: str  # as the model likes it best: with figures, in small letters
    likelihood: float  # log, of all the ways to write it that were followed

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read_freely(hearing: Hearing, longest: int, draft: Sequence[int] = ()) -> Reading:
    """The likeliest token each time.

    A draft is looked through in one step and serves as far as it agrees (speculative decoding, Leviathan et al. 2023, arXiv:2211.17192,
    with an earlier reading in place of a smaller model).
    """
    tokens = [START, *draft]
    likelihoods: list[float] = []
    scores, cache = hearing.step(np.array([tokens]), hearing.begin())
    while True:
        for row in scores[0]:
            choice = int(row.argmax())
            likelihoods.append(float(row[choice]))
            sure = len(likelihoods)  # tokens from START on that stand
            if choice == END or sure > longest:
                return Reading(tuple(tokens[1:sure]), tuple(likelihoods))
            if tokens[sure : sure + 1] != [choice]:
                tokens[sure:] = [choice]
                cache = {name: past[:, :, :sure] for name, past in cache.items()}
                break
        scores, cache = hearing.step(np.array([tokens[-1:]]), cache)


def read_sentences(hearing: Hearing, spelling: Spelling, longest: int, least: float = -np.inf, width: int = WIDTH) -> list[Sentence]:
    """The sentences of the grammar by beam search, likeliest first; those below `least` are not looked for."""
    paths, cache = [_Path((START,), 0.0, 0)], hearing.begin()
    found: dict[str, float] = {}
    for _ in range(longest):
        scores, cache = hearing.step(np.array([[path.tokens[-1]] for path in paths]), cache)
        for path, row in zip(paths, scores[:, -1], strict=True):
            if spelling.final(path.state):
                text = spelling.text(path.tokens)
                found[text] = np.logaddexp(found.get(text, -np.inf), path.likelihood + float(row[END]))
        paths, rows = _grown(paths, scores[:, -1], spelling, width, max(least, *(likelihood - _MARGIN for likelihood in found.values()), -np.inf))
        if not paths:
            break
        cache = {name: past[rows] for name, past in cache.items()}
    return _merged(found, spelling)


@dataclass
class _Path:
    tokens: tuple[int, ...]
    likelihood: float
    state: int


def _grown(paths: Sequence[_Path], scores: Floats, spelling: Spelling, width: int, least: float) -> tuple[list[_Path], list[int]]:
    """The likeliest paths that are one token longer, and the row that each comes from. Of the ways to write one text the likeliest goes on."""
    candidates: list[tuple[float, int, int, int]] = []
    for row, path in enumerate(paths):
        tokens, states = spelling.moves(path.state)
        likelihoods = path.likelihood + scores[row, tokens]
        most = 2 * width
        top = np.argpartition(-likelihoods, most)[:most] if len(tokens) > most else np.arange(len(tokens))
        candidates += [(float(likelihoods[place]), row, int(tokens[place]), int(states[place])) for place in top if likelihoods[place] > least]
    grown: dict[str, tuple[_Path, int]] = {}
    for likelihood, row, token, state in sorted(candidates, reverse=True):
        longer = (*paths[row].tokens, token)
        letters = spelling.letters(longer)
        if letters in grown:
            same = grown[letters][0]
            same.likelihood = float(np.logaddexp(same.likelihood, likelihood))
        elif len(grown) < width:
            grown[letters] = (_Path(longer, likelihood, state), row)
    return [path for path, _ in grown.values()], [row for _, row in grown.values()]


def _merged(found: dict[str, float], spelling: Spelling) -> list[Sentence]:
    """One sentence for all the texts that are the same words."""
    sentences: dict[tuple[str, ...], Sentence] = {}
    for text, likelihood in sorted(found.items(), key=lambda item: -item[1]):
        words = spelling.words(text)
        if words is None:
            continue
        best = sentences.setdefault(words, Sentence(words, text, -np.inf))
        sentences[words] = replace(best, likelihood=float(np.logaddexp(best.likelihood, likelihood)))
    return sorted(sentences.values(), key=lambda sentence: -sentence.likelihood)
