"""What to ask where two readings are near each other: about the part that differs, not for the whole command again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from otto.messages import Reading, Route, Transcript
from otto.phrases import PhraseBook
from otto.registry import Registry
from otto.words import normal_text

SURE = 0.8  # confidence in the words from which on a number that sounds like another is not asked about
_TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen 13 14 15 16 17 18 19".split()
_TENS = "thirty forty fifty sixty seventy eighty ninety 30 40 50 60 70 80 90".split()
_ALIKE = dict(zip((*_TEENS, *_TENS), (*_TENS, *_TEENS), strict=True))  # numbers that are easily taken for each other


@dataclass(frozen=True)
class Doubt:
    """A question, what may be answered, and the route of each answer."""

    question: str
    options: tuple[str, ...]  # () for a question of yes or no
    routes: tuple[Route, ...]


def doubt_of(reading: Reading, route: Callable[[str], Route], registry: Registry, book: PhraseBook) -> Doubt | None:
    """What to ask before acting on the reading; None where it is clear, or where being wrong would change nothing."""
    found = reading.route
    if found is None or not isinstance(reading.heard, Transcript):
        return None
    if not found.acts:
        if found.doubt is None:
            return None
        wording = book.wording(found.doubt) or str(found.doubt)
        return Doubt(f"Did you mean: {wording}?", (), (replace(found, calls=(found.doubt,), doubt=None),))
    if len(found.calls) != 1 or registry.get(found.calls[0].name).risk.read_only:
        return None
    for text in _other_texts(reading.heard):
        other = route(text)
        if _differs_in_one_argument(found, other) and (parts := _differing(reading.heard.text, text)):
            question, options = parts
            return Doubt(question, options, (found, other))
    return None


def _other_texts(heard: Transcript) -> list[str]:
    """The engine's other readings, and those of its words that are easily taken for another, where it was not sure."""
    if heard.confidence >= SURE:
        return list(heard.alternatives)
    words = heard.text.split()
    swapped = [" ".join([*words[:i], _ALIKE[word.lower()], *words[i + 1 :]]) for i, word in enumerate(words) if word.lower() in _ALIKE]
    return [*heard.alternatives, *swapped]


def _differs_in_one_argument(one: Route, other: Route) -> bool:
    if len(one.calls) != 1 or len(other.calls) != 1 or one.calls[0].name != other.calls[0].name:
        return False
    first, second = one.calls[0].arguments, other.calls[0].arguments
    return set(first) == set(second) and sum(first[name] != second[name] for name in first) == 1


def _differing(one: str, other: str) -> tuple[str, tuple[str, str]] | None:
    """The sentence as a question with both of its differing words, and these; None where more than one place differs."""
    first, second = (re.findall(r"\S+", text.rstrip(" .!?")) for text in (one, other))
    head = 0
    while head < min(len(first), len(second)) and normal_text(first[head]) == normal_text(second[head]):
        head += 1
    tail = 0
    while tail < min(len(first), len(second)) - head and normal_text(first[-1 - tail]) == normal_text(second[-1 - tail]):
        tail += 1
    options = tuple(" ".join(words[head : len(words) - tail]) for words in (first, second))
    if not all(options) or max(len(option.split()) for option in options) > 4:
        return None
    sentence = " ".join([*first[:head], f"{options[0]} or {options[1]}", *first[len(first) - tail :]])
    return f"{sentence[:1].upper()}{sentence[1:]}?", (options[0], options[1])
