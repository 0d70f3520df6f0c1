"""Phrases that two skills take: found both ways, and none where there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from eval.collisions import find_collisions
from otto import Call, Duration
from otto.registry import Registry
from otto.skill import OTHER, Example, SkillSpec, declare


def lamp(power: Literal["on", "off"]) -> None:
    """Switch the lamp."""


def kettle(power: Literal["on", "off"] | None = None) -> None:
    """Boil water."""


def play(what: str) -> None:
    """Play music."""


def steep(time: Duration) -> None:
    """Make tea."""


def wait(time: Duration) -> None:
    """Wait."""


def other() -> None:
    """Nothing to do."""


def spec(target: object, *examples: tuple[str, str]) -> SkillSpec:
    return replace(declare(target), examples=tuple(Example(text, Call.parse(call)) for text, call in examples))  # type: ignore[arg-type]


LAMP = spec(lamp, ("turn it on", 'lamp(power="on")'), ("turn it off", 'lamp(power="off")'), ("switch the lamp off", 'lamp(power="off")'))
KETTLE = spec(kettle, ("boil some water", "kettle()"), ("turn the kettle on", 'kettle(power="on")'))
PLAY = spec(play, ("play some jazz", 'play(what="jazz")'), ("play the lamp song", 'play(what="lamp song")'))


def found(*specs: SkillSpec, names: tuple[str, ...]) -> list[tuple[str, str, str, str | None]]:
    registry = Registry.of(specs)
    registry.install()
    return [(item.text, str(item.call), str(item.other), item.taken) for item in find_collisions(registry, names, samples=60)]


@pytest.mark.parametrize("names", [("lamp",), ("kettle",), ("play",), ("lamp", "kettle", "play")])
def test_skills_that_share_nothing(names: tuple[str, ...]) -> None:
    assert found(LAMP, KETTLE, PLAY, names=names) == []


@pytest.mark.parametrize("names", [("lamp",), ("kettle",)])
def test_one_sentence_of_two_skills_goes_to_neither(names: tuple[str, ...]) -> None:
    rival = spec(kettle, ("turn it on", 'kettle(power="on")'))
    (collision,) = [item for item in found(LAMP, rival, names=names) if item[0] == "turn it on"]
    assert set(collision[1:3]) == {'lamp(power="on")', 'kettle(power="on")'}
    assert collision[3] is None


STEEP = spec(steep, ("tea for five minutes", 'steep(time="5 minutes")'), ("steep it for two hours", 'steep(time="2 hours")'))


def test_more_words_of_its_own_win() -> None:
    """The template "tea for {time}" takes a whole sentence of another skill, which keeps it."""
    rival = spec(kettle, ("tea for ten seconds", "kettle()"))
    assert found(STEEP, rival, names=("kettle",)) == [("tea for ten seconds", "kettle()", 'steep(time="10 seconds")', "kettle")]


def test_values_are_tried_that_no_example_has_together() -> None:
    """No example of the one is a phrase of the other; sentences with other values are."""
    rival = spec(wait, ("tea for an hour", 'wait(time="1 hour")'))
    collisions = found(STEEP, rival, names=("steep",))
    assert ("tea for five minutes", 'steep(time="5 minutes")', 'wait(time="5 minutes")', None) in collisions
    assert len(collisions) > 3
    assert all(text.startswith("tea for ") and mine != other for text, mine, other, _ in collisions)


def test_stray_talk_that_a_skill_takes() -> None:
    stray = spec(other, ("turn it off", "other()"), ("the kettle is old", "other()"))
    assert stray.name == OTHER
    assert [(item[0], set(item[1:3])) for item in found(LAMP, KETTLE, stray, names=("lamp",))] == [("turn it off", {'lamp(power="off")', "other()"})]
    assert found(LAMP, KETTLE, stray, names=("kettle",)) == []
