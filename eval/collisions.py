"""Phrases that two skills would both take.

A skill takes a phrase where its own phrase book does, which is asked alone: one of its templates fits, with values that it knows. In the book of
all skills the template with more words of its own wins, and where two have as many, neither does.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otto.call import Call
from otto.phrases import Phrase, PhraseBook
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec
from otto.words import normal_text

SAMPLES = 300  # sentences a skill, beside its examples


@dataclass(frozen=True)
class Collision:
    """A sentence, and the calls that two skills make of it."""

    text: str
    call: Call  # of the skill whose sentence it is
    other: Call
    taken: str | None  # the skill that the phrase book of all gives it to; None where it gives it to neither

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "call": str(self.call), "other": str(self.other), "taken": self.taken}


def find_collisions(
    registry: Registry, names: Collection[str], folder: Path | None = None, *, samples: int = SAMPLES, seed: int = 0
) -> list[Collision]:
    """What the skills of these names and the others both take: of the examples of all, and of sentences with other values.

    Stray talk counts as a skill's: an example that is to be left alone and that another skill takes is a collision too. The equality of calls
    must know the skills (`Registry.install`).

    Args:
        registry: all skills.
        names: those that are looked at.
        folder: the cache of phrases (`paths.cache`).
        samples: sentences that are drawn for each skill, beside its examples.
        seed: of what is drawn.
    """
    everything = PhraseBook.open(registry, folder)
    phrases: defaultdict[str, list[Phrase]] = defaultdict(list)
    for phrase in everything.phrases:
        phrases[phrase.skill].append(phrase)
    specs = {OTHER: SkillSpec(OTHER, ""), **registry.specs}
    books = {skill: PhraseBook([specs[skill]], own) for skill, own in phrases.items()}
    found: dict[tuple[str, str, str], Collision] = {}
    for owner, book in books.items():
        rivals = [rival for rival in books if rival != owner and (owner in names or rival in names)]
        for text in _sentences(book, samples, random.Random(f"{seed}:{owner}")) if rivals else ():
            for rival in rivals:
                other = books[rival].match(text)
                call = book.match(text) if other else None
                key = (normal_text(text), min(owner, rival), max(owner, rival))
                if call and other and key not in found:
                    taken = everything.match(text)
                    found[key] = Collision(text, call, other, taken.name if taken else None)
    return list(found.values())


def _sentences(book: PhraseBook, samples: int, rng: random.Random) -> Iterator[str]:
    """The examples, then sentences of their templates with other values."""
    drawn = [book.sample(rng)[0] for _ in range(samples if book.templates else 0)]
    yield from dict.fromkeys([*map(_said, book.phrases), *drawn])


def _said(phrase: Phrase) -> str:
    return " ".join(part if isinstance(part, str) else part[2] for part in phrase.parts)
