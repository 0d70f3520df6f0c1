"""The retriever, with the shipped encoder and the bundled skills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otto.call import Call
from otto.router.llama import MOST_LISTED, LlamaReader
from otto.router.retriever import Retriever
from otto.skill import Example, SkillSpec
from tests import bundled

SPECS = [spec for spec in bundled.registry() if spec.name != "other"]
BARE = [replace(spec, examples=()) for spec in SPECS]


@pytest.mark.parametrize(
    ("said", "skill"),
    [
        ("do i need an umbrella in bergen", "weather"),
        ("wake me up at six tomorrow", "alarm"),
        ("how many grams are in an ounce", "convert"),
        ("make it louder", "volume"),
        ("what is the hour in tokyo now", "timecheck"),
    ],
)
def test_the_meant_skill_is_among_the_first(said: str, skill: str) -> None:
    assert Retriever(SPECS).nearest(said, 1) == [skill]
    assert skill in Retriever(BARE).nearest(said, 5), "by name and description alone"


def test_each_skill_is_named_once_and_no_more_than_asked() -> None:
    names = Retriever(SPECS).nearest("set a timer", 100)
    assert sorted(names) == sorted(spec.name for spec in SPECS)
    assert Retriever(SPECS).nearest("set a timer", 4) == names[:4]


def test_a_skill_beyond_those_that_fit_on_the_list_can_be_called() -> None:
    many = [_other_skill(number) for number in range(MOST_LISTED)]
    reader = LlamaReader([*many, bundled.registry().get("timer")])
    reading = reader.write("set a timer for ten minutes")
    assert reader.call(reading, "set a timer for ten minutes") == Call("timer", {"duration": "10 minutes"})


def _other_skill(number: int) -> SkillSpec:
    name = f"device{number}"
    return SkillSpec(name, f"Paint fence number {number}.", (), examples=(Example(f"paint fence {number}", Call(name)),))
