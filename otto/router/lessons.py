"""What the tagger learns from: sentences with their labels and spans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from otto.align import Aligned, Span, align
from otto.skill import OTHER, SkillSpec
from otto.words import split_words


@dataclass(frozen=True)
class Label:
    """What the classifier tells apart: a skill with its fixed arguments."""

    skill: str
    fixed: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return json.dumps([self.skill, [list(item) for item in self.fixed]])

    @classmethod
    def read(cls, text: str) -> Label:
        skill, fixed = json.loads(text)
        return cls(skill, tuple((name, value) for name, value in fixed))


@dataclass(frozen=True)
class Lesson:
    """A sentence to learn from."""

    words: tuple[str, ...]
    label: Label
    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, aligned: Aligned) -> Lesson:
        return cls(tuple(word.text for word in aligned.words), Label(aligned.skill, aligned.fixed), aligned.spans)

    def to_json(self) -> list[Any]:
        return [list(self.words), str(self.label), [[span.parameter, span.first, span.last] for span in self.spans]]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Lesson:
        return cls(tuple(row[0]), Label.read(row[1]), tuple(Span(*span) for span in row[2]))


def lessons_of(specs: Iterable[SkillSpec]) -> list[Lesson]:
    """The examples that can be learnt from. A skill without any is taught by its name and description."""
    lessons: list[Lesson] = []
    for spec in specs:
        aligned = [align(spec, example) for example in spec.examples]
        own = [Lesson.of(item) for item in aligned if item.words and not item.missing]
        if not own and spec.name != OTHER:
            words = split_words(f"{spec.name.replace('_', ' ')} {spec.description}")
            own = [Lesson(tuple(word.text for word in words), Label(spec.name))]
        lessons += own
    return lessons
