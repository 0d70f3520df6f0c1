"""The conditional random field that marks the words of each argument, as CRFsuite trains it (Okazaki 2007)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from otto.align import Span
from otto.router.features import word_features
from otto.router.lessons import Lesson
from otto.skill import OTHER

CRF_PARAMETERS = {"c1": 0.02, "c2": 0.05, "max_iterations": 100, "feature.possible_transitions": True}
SWAPS = 2  # copies of each sentence with other values, for the CRF to learn where a value ends and not which it is


def train_crf(lessons: Sequence[Lesson]) -> bytes:
    import tempfile

    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params(CRF_PARAMETERS)
    commands = [lesson for lesson in lessons if lesson.label.skill != OTHER and any(lesson.words)]
    if not commands:
        return b""  # CRFsuite ends the process that reads a model without features
    for lesson in (*commands, *_swapped(commands)):
        trainer.append(word_features(lesson.words, str(lesson.label)), tags_of(lesson))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.crf"
        trainer.train(str(path))
        return path.read_bytes() if path.exists() else b""


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
