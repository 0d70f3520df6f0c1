"""The conditional random fields that mark the words of each argument, one a skill, as CRFsuite trains them (Okazaki 2007)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from otto.align import Span
from otto.router.features import MANY, word_features
from otto.router.lessons import Label, Lesson
from otto.skill import OTHER

CRF_PARAMETERS = {"c1": 0.02, "c2": 0.05, "max_iterations": 100, "feature.possible_transitions": True}
SWAPS = 2  # copies of each sentence with other values, for the CRF to learn where a value ends and not which it is


@dataclass(frozen=True)
class SpanModel:
    """What was learnt of the values in one skill's sentences."""

    crf: bytes  # CRFsuite's own format
    outside: Mapping[str, int]  # word → in how many sentences it stands outside of all values, at most MANY

    def read(self, words: Sequence[str], label: Label, needed: Sequence[str] = ()) -> tuple[tuple[Span, ...], float]:
        """The most likely spans with a value for each of the `needed` parameters, and the probability of them all."""
        self._reader.set(word_features(words, str(label), self.outside))
        tags = self._reader.tag()
        missing = [name for name in needed if f"B-{name}" not in tags]
        known = self._reader.labels() if missing else ()
        for name in missing:
            if f"B-{name}" in known:
                longest = len(tags) if f"I-{name}" in known else 1
                tags = max(_with_span(tags, name, longest), key=self._reader.probability, default=tags)
        return spans_of(tags), float(self._reader.probability(tags))

    @cached_property
    def _reader(self) -> Any:
        import pycrfsuite

        reader = pycrfsuite.Tagger()
        reader.open_inmemory(self.crf)
        return reader


def train_spans(lessons: Iterable[Lesson]) -> dict[str, SpanModel]:
    """A model for each skill whose sentences have values.

    One for all skills would be no more often right, and takes hours with hundreds of skills: its time grows with the square of
    the number of parameters.
    """
    by_skill: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        if lesson.label.skill != OTHER and any(lesson.words):
            by_skill.setdefault(lesson.label.skill, []).append(lesson)
    return {skill: _train(own) for skill, own in by_skill.items() if any(lesson.spans for lesson in own)}


def _train(lessons: Sequence[Lesson]) -> SpanModel:
    import tempfile

    import pycrfsuite

    outside = Counter(word for lesson in lessons for word in _outside(lesson))
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params(CRF_PARAMETERS)
    for lesson in (*lessons, *_swapped(lessons)):
        own = _outside(lesson)
        others = {word: outside[word] - (word in own) for word in lesson.words}  # without this sentence, as a new one will be seen
        trainer.append(word_features(lesson.words, str(lesson.label), others), tags_of(lesson))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.crf"
        trainer.train(str(path))
        return SpanModel(path.read_bytes(), {word: min(count, MANY) for word, count in outside.items()})


def _with_span(tags: Sequence[str], name: str, longest: int) -> Iterator[list[str]]:
    """The tags with one more span, of a parameter: each run of at most so many words that no value has."""
    for first in range(len(tags)):
        for last in range(first, min(first + longest, len(tags))):
            if tags[last] != "O":
                break
            yield [*tags[:first], f"B-{name}", *[f"I-{name}"] * (last - first), *tags[last + 1 :]]


def _outside(lesson: Lesson) -> set[str]:
    inside = {index for span in lesson.spans for index in range(span.first, span.last + 1)}
    return {word for index, word in enumerate(lesson.words) if index not in inside}


def _swapped(lessons: Sequence[Lesson]) -> Iterator[Lesson]:
    """Copies of the lessons with the values of other lessons of their skill."""
    rng = random.Random(0)
    pools: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for lesson in lessons:
        for span in lesson.spans:
            pools.setdefault((lesson.label.skill, span.parameter), []).append(lesson.words[span.first : span.last + 1])
    for lesson in lessons:
        for _ in range(SWAPS if lesson.spans else 0):
            yield _with_values(lesson, [rng.choice(pools[lesson.label.skill, span.parameter]) for span in lesson.spans])


def _with_values(lesson: Lesson, values: Sequence[tuple[str, ...]]) -> Lesson:
    words: list[str] = []
    spans: list[Span] = []
    at = 0
    for span, value in zip(lesson.spans, values, strict=True):
        words += lesson.words[at : span.first]
        spans.append(Span(span.parameter, len(words), len(words) + len(value) - 1))
        words += value
        at = span.last + 1
    return Lesson((*words, *lesson.words[at:]), lesson.label, tuple(spans))


def tags_of(lesson: Lesson) -> list[str]:
    """B-name for a span's first word, I-name for the others, O outside."""
    tags = ["O"] * len(lesson.words)
    for span in lesson.spans:
        tags[span.first : span.last + 1] = [f"B-{span.parameter}", *[f"I-{span.parameter}"] * (span.last - span.first)]
    return tags


def spans_of(tags: Sequence[str]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for index, tag in enumerate(tags):
        if tag == "O":
            continue
        name = tag[2:]
        if tag[0] == "I" and spans and spans[-1].parameter == name and spans[-1].last == index - 1:
            spans[-1] = Span(name, spans[-1].first, index)
        else:
            spans.append(Span(name, index, index))
    return tuple(spans)
