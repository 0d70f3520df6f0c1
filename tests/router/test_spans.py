"""The spans of arguments: learnt a skill at a time."""

from __future__ import annotations

import pytest

from otto.align import Span
from otto.router.lessons import Label, Lesson
from otto.router.spans import spans_of, tags_of, train_spans

OPEN = Label("open")
MOVE = Label("move")
PROGRAMS = "gimp firefox blender inkscape thunderbird audacity krita steam".split()


def lesson(text: str, label: Label, **values: str) -> Lesson:
    words = text.split()
    spans = []
    for name, value in values.items():
        first = words.index(value.split()[0])
        spans.append(Span(name, first, first + len(value.split()) - 1))
    return Lesson(tuple(words), label, tuple(sorted(spans, key=lambda span: span.first)))


LESSONS = [
    *(lesson(f"open {program} please", OPEN, program=program) for program in PROGRAMS),
    *(lesson(f"start {program} now", OPEN, program=program) for program in PROGRAMS),
    *(lesson(f"move {one} to {other}", MOVE, what=one, where=other) for one, other in zip(PROGRAMS, reversed(PROGRAMS), strict=True)),
    lesson("stop", Label("stop")),
    lesson("what a day", Label("other")),
]
MODELS = train_spans(LESSONS)


def test_there_is_a_model_for_each_skill_with_values() -> None:
    assert sorted(MODELS) == ["move", "open"]


def test_words_outside_of_values_are_counted() -> None:
    assert MODELS["open"].outside == {"open": 8, "please": 8, "start": 8, "now": 8}


@pytest.mark.parametrize(
    ("text", "label", "spans"),
    [
        ("open gimp please", OPEN, [Span("program", 1, 1)]),
        ("start lmms now", OPEN, [Span("program", 1, 1)]),  # a name that was never seen
        ("move steam to krita", MOVE, [Span("what", 1, 1), Span("where", 3, 3)]),
    ],
)
def test_spans_of_known_sentences(text: str, label: Label, spans: list[Span]) -> None:
    found, probability = MODELS[label.skill].read(text.split(), label)
    assert list(found) == spans
    assert 0.5 < probability <= 1.0


def test_a_value_that_must_be_there_is_looked_for() -> None:
    said = "now please".split()
    without, sure = MODELS["open"].read(said, OPEN)
    assert without == ()
    found, unsure = MODELS["open"].read(said, OPEN, ["program"])
    assert [span.parameter for span in found] == ["program"]
    assert unsure < sure, "it says how doubtful that is"


def test_each_value_that_must_be_there_has_words_of_its_own() -> None:
    found, _ = MODELS["move"].read("to to to".split(), MOVE, ["what", "where"])
    assert sorted(span.parameter for span in found) == ["what", "where"]
    assert found[0].last < found[1].first


def test_a_parameter_that_was_never_learnt_is_not_looked_for() -> None:
    assert MODELS["open"].read(["hello"], OPEN, ["colour"])[0] in ((), (Span("program", 0, 0),))


def test_a_word_too_few_for_all_that_is_needed() -> None:
    found, _ = MODELS["move"].read(["gimp"], MOVE, ["what", "where"])
    assert len(found) == 1


@pytest.mark.parametrize("each", LESSONS, ids=lambda each: " ".join(each.words))
def test_tags_and_spans_say_the_same(each: Lesson) -> None:
    assert spans_of(tags_of(each)) == each.spans


def test_two_values_side_by_side_stay_two() -> None:
    assert spans_of(["B-a", "I-a", "B-a", "O", "I-b"]) == (Span("a", 0, 1), Span("a", 2, 2), Span("b", 4, 4))
