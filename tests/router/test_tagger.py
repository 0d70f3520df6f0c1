"""The tagger: what it learns from a few examples, and that it is the same after it was stored."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from otto import Call
from otto.align import Span
from otto.errors import ModelError
from otto.registry import Registry
from otto.router.features import grams, word_features
from otto.router.lessons import Label, Lesson, lessons_of
from otto.router.spans import spans_of, tags_of
from otto.router.tagger import RUNNERS_UP, Tagger
from otto.router.tagging import TaggerRouter
from otto.skill import SkillSpec, declare
from tests.router import toy

SPECS = {spec.name: spec for spec in toy.skills()}


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger.train(lessons_of(SPECS.values()))


def call(tagger: Tagger, said: str) -> Call | None:
    guess = tagger.guess(said.split())
    return tagger.call(guess.label, guess.spans, SPECS, said)


@pytest.mark.parametrize(("said", "expected"), toy.UNSEEN, ids=[row[0] for row in toy.UNSEEN])
def test_values_that_no_example_has(tagger: Tagger, said: str, expected: str) -> None:
    assert str(call(tagger, said)) == expected
    assert tagger.guess(said.split()).acts


LEARNT = [(example.text, example.call) for spec in SPECS.values() for example in spec.examples]


def test_it_knows_what_it_was_taught(tagger: Tagger) -> None:
    router = TaggerRouter(toy.registry())
    wrong = [f"{said}: {router.route(said).calls[0]}" for said, wanted in LEARNT if str(router.route(said).calls[0]) != str(wanted)]
    assert wrong == []


STRAY = ["my sister lives in paris", "we should sell the car", "what a lovely dog", "she went to the game yesterday", "pass me the bread", "the painting was fine"]


@pytest.mark.parametrize("said", STRAY)
def test_stray_talk_is_nearer_to_other(tagger: Tagger, said: str) -> None:
    guess = tagger.guess(said.split())
    assert not guess.acts
    assert guess.label.skill != "other"


def test_a_guess_stands_beside_the_next_ones(tagger: Tagger) -> None:
    guess = tagger.guess("how is the weather in lisbon".split())
    assert guess.label == Label("weather")
    assert guess.spans == (Span("location", 5, 5),)
    assert guess.margin > guess.second == guess.runners_up[0][1]
    assert len(guess.runners_up) == RUNNERS_UP
    assert all(label.skill != "other" for label, _ in guess.runners_up)
    assert 0.5 < guess.span_probability <= 1.0
    assert {label.skill for label in tagger.labels} == tagger.skills == set(SPECS)


def test_a_value_that_is_nearly_always_said_must_be_there() -> None:
    """With three examples the level may be missing by chance, with thirty it may not."""
    few = {f"set the volume to {level}": f'volume(action="set", level={level})' for level in (10, 20, 30)}
    many = {f"set the volume to {level}": f'volume(action="set", level={level})' for level in range(10, 40)}
    label = Label("volume", (("action", "set"),))
    found = [Tagger.train(lessons_of([toy.taught(toy.volume, examples), SPECS["other"]])) for examples in (few, many)]
    calls = [tagger.call(label, (), SPECS, "set the volume") for tagger in found]
    assert calls == [Call("volume", {"action": "set"}), None]
    with_level = [tagger.call(label, (Span("level", 4, 4),), SPECS, "set the volume to 55") for tagger in found]
    assert with_level == [Call("volume", {"action": "set", "level": 55})] * 2


def test_a_required_value_must_be_there(tagger: Tagger) -> None:
    assert tagger.call(Label("timer"), (), SPECS, "set a timer") is None
    assert tagger.call(Label("weather"), (), SPECS, "how is the weather") == Call("weather")


def test_a_skill_that_is_gone_is_not_called(tagger: Tagger) -> None:
    assert tagger.call(Label("weather"), (), {}, "how is the weather") is None


def test_the_same_lessons_give_the_same_tagger() -> None:
    lessons = lessons_of(SPECS.values())
    first, second = Tagger.train(lessons), Tagger.train(lessons)
    for said, _ in toy.UNSEEN:
        assert first.guess(said.split()) == second.guess(said.split())


def test_it_is_the_same_each_time_it_is_loaded(tagger: Tagger, tmp_path: Path) -> None:
    tagger.save(tmp_path / "new" / "tagger.npz")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["tagger.npz"]
    first, second = Tagger.load(tmp_path / "new" / "tagger.npz"), Tagger.load(tmp_path / "new" / "tagger.npz")
    sentences = [said for said, _ in toy.UNSEEN] + STRAY
    for said in sentences:
        trained, loaded = tagger.guess(said.split()), first.guess(said.split())
        assert loaded == second.guess(said.split())
        # the file keeps a byte a weight
        assert (loaded.label, loaded.spans, loaded.acts) == (trained.label, trained.spans, trained.acts)
        assert math.isclose(loaded.margin, trained.margin, abs_tol=0.02)
        assert loaded.span_probability == trained.span_probability
        assert call(first, said) == call(tagger, said)
    first.save(tmp_path / "again.npz")
    again = Tagger.load(tmp_path / "again.npz")
    for said in sentences:
        assert math.isclose(again.guess(said.split()).margin, first.guess(said.split()).margin, abs_tol=1e-3)


def test_what_cannot_be_read_says_what_to_do(tagger: Tagger, tmp_path: Path) -> None:
    path = tmp_path / "tagger.npz"
    tagger.save(path)
    whole = path.read_bytes()
    with np.load(path) as data:
        parts = dict(data)
    damages = [b"", b"nonsense", whole[: len(whole) // 2], whole[:-30], b"PK\x03\x04" + whole[4:200]]
    for damage in damages:
        path.write_bytes(damage)
        with pytest.raises(ModelError, match=r"The tagger's file tagger.npz cannot be read \(.*\); delete .*tagger.npz; it is made anew"):
            Tagger.load(path)
    np.savez_compressed(path, **{**parts, "format": 1})
    with pytest.raises(ModelError, match="it is of another version"):
        Tagger.load(path)
    np.savez_compressed(path, **{name: part for name, part in parts.items() if name != "weights"})
    with pytest.raises(ModelError, match="weights"):
        Tagger.load(path)
    path.unlink()
    with pytest.raises(ModelError, match="No such file"):
        Tagger.load(path)


def test_one_label_alone() -> None:
    only = Tagger.train(lessons_of([SPECS["weather"]]))
    assert call(only, "how is the weather in lisbon") == Call("weather", {"location": "Lisbon"})


def test_other_alone_never_acts() -> None:
    only = Tagger.train(lessons_of([SPECS["other"]]))
    guess = only.guess(["set", "a", "timer"])
    assert not guess.acts
    assert only.call(guess.label, guess.spans, SPECS, "set a timer") is None


def test_no_examples_at_all_never_act() -> None:
    empty = Tagger.train([])
    for said in (["set", "a", "timer"], [""], []):
        guess = empty.guess(said)
        assert empty.call(guess.label, guess.spans, SPECS, " ".join(said)) is None
    route = TaggerRouter(Registry.of([])).route("set a timer")
    assert (route.calls, route.acts) == ((Call("other"),), False)


def test_a_skill_without_examples_is_taught_by_its_name_and_description() -> None:
    def lamp_switch() -> None:
        """Turn the light on or off."""

    lessons = lessons_of([declare(lamp_switch)])
    assert lessons == [Lesson(tuple("lamp switch turn the light on or off".split()), Label("lamp_switch"))]
    found = Tagger.train([*lessons, *lessons_of(SPECS.values())]).guess("turn the light on".split())
    assert found.label == Label("lamp_switch")


def test_examples_whose_values_were_not_said_teach_nothing() -> None:
    assert [lesson.label for lesson in lessons_of([toy.taught(toy.timer, {"a nap": 'timer(duration="20 minutes")'})])] == [Label("timer")]


def test_tags_and_spans() -> None:
    lesson = Lesson(("10", "feet", "to", "cubic", "meters"), Label("convert"), (Span("amount", 0, 0), Span("source", 1, 1), Span("target", 3, 4)))
    assert tags_of(lesson) == ["B-amount", "B-source", "O", "B-target", "I-target"]
    assert spans_of(tags_of(lesson)) == lesson.spans
    assert spans_of(["I-a", "B-a", "I-a", "I-b", "O", "I-b"]) == (Span("a", 0, 0), Span("a", 1, 2), Span("b", 3, 3), Span("b", 5, 5))


@given(st.lists(st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"]), max_size=10))
def test_spans_cover_the_tagged_words_and_no_others(tags: list[str]) -> None:
    covered = [index for span in spans_of(tags) for index in range(span.first, span.last + 1)]
    assert covered == [index for index, tag in enumerate(tags) if tag != "O"]


@given(st.text("abc :,\"'é", max_size=8), st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", 1, True, None, 2.5])), max_size=3))
def test_lessons_survive_their_json(word: str, fixed: list[tuple[str, object]]) -> None:
    lesson = Lesson((word, "b"), Label("skill", tuple(fixed)), (Span("a", 0, 1),))
    assert Lesson.from_json(lesson.to_json()) == lesson
    assert Label.read(str(lesson.label)) == lesson.label


words = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8)


@given(words)
def test_features_of_any_words(said: list[str]) -> None:
    found = grams(said)
    assert all(value >= 1.0 for value in found.values())
    assert any(key & 1 for key in found), "a word"
    assert any(not key & 1 for key in found), "its letters"
    outside = {word: count for count, word in enumerate(said)}
    rows = word_features(said, "label", outside)
    assert [row[1] for row in rows] == [f"w={word}" for word in said]
    rarity = {0: "never", 1: "seldom", 2: "seldom"}
    assert [f"rare={rarity.get(outside[word], 'sometimes')}" in row for word, row in zip(said, rows, strict=True)] == [True] * len(said)


def test_a_gram_that_repeats_counts_by_its_logarithm() -> None:
    assert sorted(set(grams(["never", "never", "never"]).values())) == [1.0, pytest.approx(1 + math.log(2)), pytest.approx(1 + math.log(3))]


@hypothesis_settings(max_examples=40)
@given(st.text(max_size=60))
def test_any_text_has_a_route(said: str) -> None:
    route = ROUTER.route(said)
    assert len(route.calls) == 1
    assert route.calls[0].name in SPECS
    assert 0.0 <= route.confidence <= 1.0


ROUTER = TaggerRouter(toy.registry())


def test_nothing_said_is_other() -> None:
    for said in ("", "  ", "?!"):
        assert ROUTER.route(said).calls == (Call("other"),)


def test_the_router_learns_changed_skills() -> None:
    def lamp(action: str) -> None:
        """Switch the lamp."""

    router = TaggerRouter(toy.registry())
    assert router.route("weather in lisbon").calls == (Call("weather", {"location": "Lisbon"}),)
    new: SkillSpec = toy.taught(lamp, {"switch the lamp on": 'lamp(action="on")', "switch the lamp off": 'lamp(action="off")'})
    router.update(Registry.of([new, SPECS["other"]]))
    assert router.route("switch the lamp off").calls == (Call("lamp", {"action": "off"}),)
    assert not router.route("weather in lisbon").acts
