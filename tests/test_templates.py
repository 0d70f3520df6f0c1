"""Sentence templates: what they stand for, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import pytest
from pydantic import Field

from otto import Call, Duration, Location
from otto.phrases import PhraseBook
from otto.skill import Example, SkillSpec, declare
from otto.templates import MAX_SENTENCES, expand, written_out


def timer(duration: Duration) -> None:
    """Set a timer."""


def weather(location: Location | None = None) -> None:
    """Tell the weather."""


def volume(action: Literal["up", "down"], level: Annotated[int, Field(ge=0, le=100)] | None = None) -> None:
    """Change the volume."""


TIMER, WEATHER, VOLUME = map(declare, (timer, weather, volume))


def sentences(spec: SkillSpec, text: str, call: str) -> list[str]:
    found, problems = written_out(spec, Example(text, Call.parse(call), "a.txt:3"))
    assert problems == []
    return [example.text for example in found]


WRITTEN = [
    # template, the sentences that it stands for
    ("how is the weather", ["how is the weather"]),
    ("[please] how is the weather", ["how is the weather", "please how is the weather"]),
    ("(how|what) is the weather [like]", ["how is the weather", "how is the weather like", "what is the weather", "what is the weather like"]),
    ("[[very] nice] weather", ["nice weather", "very nice weather", "weather"]),
    ("weather(s| report)", ["weather report", "weathers"]),
]


@pytest.mark.parametrize(("template", "expected"), WRITTEN, ids=[row[0] for row in WRITTEN])
def test_every_sentence_of_a_template(template: str, expected: list[str]) -> None:
    assert sorted(sentences(WEATHER, template, "weather()")) == expected


def test_a_slot_gets_a_value_in_sentence_and_call() -> None:
    found, problems = written_out(TIMER, Example("set [a] timer for {duration}", Call("timer", {"duration": "{duration}"}), "timer.txt:7"))
    assert problems == []
    assert len(found) == 2
    for example in found:
        assert example.where == "timer.txt:7"
        said = example.text.split(" for ", 1)[1]
        assert TIMER.canonical(Call("timer", {"duration": said})) == example.call
        assert "{" not in example.text


def test_values_come_from_the_plain_examples_and_the_type() -> None:
    spec = replace(WEATHER, examples=(Example("weather in atlantis", Call("weather", {"location": "Atlantis"})),))
    found = sentences(spec, "weather (in|at|for|around|near) {location}", 'weather(location="{location}")')
    assert len(found) == 5
    assert {text.split(" ", 2)[2] for text in found} <= {"Atlantis", *Location.samples}


def test_a_fixed_argument_stays() -> None:
    found, _ = written_out(VOLUME, Example("(louder|turn it up) by {level}", Call("volume", {"action": "up", "level": "{level}"})))
    assert {example.call.arguments["action"] for example in found} == {"up"}
    assert all(isinstance(example.call.arguments["level"], int) for example in found)


def test_a_choice_may_be_a_slot() -> None:
    found, problems = written_out(VOLUME, Example("[please] turn it {action}", Call("volume", {"action": "{action}"})))
    assert problems == []
    for example in found:
        assert example.text.split()[-1] == example.call.arguments["action"]


def test_a_large_template_is_sampled_always_alike() -> None:
    text = " ".join(f"[w{number}]" for number in range(8)) + " weather"
    first, second = sentences(WEATHER, text, "weather()"), sentences(WEATHER, text, "weather()")
    assert len(set(first)) == MAX_SENTENCES
    assert first == second


FAULTY = [
    # template, call, problem
    ("set a timer for {length}", 'timer(duration="{length}")', "timer has no parameter length"),
    ("set [a timer", 'timer(duration="5 minutes")', "cannot be read"),
    ("set (a|the timer for {duration}", 'timer(duration="{duration}")', "cannot be read"),
    ("[set] a timer", 'timer(duration="soon")', "duration='soon' does not fit"),
    ("[set] a timer", "timer()", "timer needs duration"),
]


@pytest.mark.parametrize(("text", "call", "problem"), FAULTY, ids=[row[0] for row in FAULTY])
def test_what_is_wrong_is_said_with_its_place(text: str, call: str, problem: str) -> None:
    found, problems = written_out(TIMER, Example(text, Call.parse(call), "timer.txt:9"))
    assert found == []
    assert [item.where for item in problems] == ["timer.txt:9"]
    assert problem in problems[0].what
    assert problems[0].mend


def test_expand_keeps_plain_examples_and_order() -> None:
    plain = Example("how hot is it", Call("weather"))
    spec = replace(WEATHER, examples=(plain, Example("(is|will) it rain", Call("weather")), Example("forecast", Call("weather"))))
    found, problems = expand(spec)
    assert problems == []
    assert found[0] == plain
    assert sorted(example.text for example in found[1:-1]) == ["is it rain", "will it rain"]
    assert found[-1].text == "forecast"


def test_arithmetic_is_no_template() -> None:
    for text in ("what is (3+4)*2", "what is 2*(3-1)", "sin(30)", "f[1]"):
        assert not Example(text, Call("other")).is_template, text
    for text in ("set [a] timer", "(up|down)", "in {location}"):
        assert Example(text, Call("other")).is_template, text


def test_sentences_of_templates_are_known_phrases() -> None:
    spec = replace(TIMER, examples=(Example("[please] (set|start) [a|the] timer for {duration} [now]", Call("timer", {"duration": "{duration}"})),))
    examples, _ = expand(spec)
    book = PhraseBook([replace(spec, examples=examples)])
    assert len(examples) == 24
    for example in examples:
        assert book.match(example.text) == example.call
    assert book.match("start the timer for 3 hours and 20 minutes now") == Call("timer", {"duration": "3 hours 20 minutes"})
    assert book.match("start the timer for ever") is None
