"""Alignment: which words became which argument."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import pytest
from pydantic import Field

from otto import AppName, Call, Date, Duration, Expression, Location, Number, Time
from otto.align import align
from otto.skill import Example, SkillSpec, declare
from tests import bundled


def timer(duration: Duration) -> None:
    """Set a timer."""


def alarm(action: Literal["set", "list", "cancel"], time: Time | None = None) -> None:
    """Set, list or cancel alarms."""


def weather(location: Location | None = None) -> None:
    """Tell the weather."""


def date(day: Date | None = None) -> None:
    """Tell the date."""


def math(question: Expression) -> None:
    """Calculate."""


def convert(source: str, target: str, amount: Number = 1) -> None:  # type: ignore[assignment]
    """Convert units."""


def notes(action: Literal["add", "list"], note: str = "") -> None:
    """Add a note, or list them."""


def runapp(program: AppName) -> None:
    """Open a program."""


def volume(action: Literal["up", "set"], level: Annotated[int, Field(ge=0, le=100)] | None = None) -> None:
    """Change the volume."""


def shop(items: list[str], loud: bool = False) -> None:
    """Put things on the list."""


SPECS: dict[str, SkillSpec] = {spec.name: spec for spec in map(declare, (timer, alarm, weather, date, math, convert, notes, runapp, volume, shop))}

ALIGNED = [
    # said, call, parameter → its words, fixed arguments
    ("set a timer for five minutes", 'timer(duration="5 minutes")', {"duration": "five minutes"}, {}),
    ("timer for half an hour please", 'timer(duration="30 minutes")', {"duration": "half an hour"}, {}),
    ("start a 1 hour and 10 minute timer", 'timer(duration="1 hour 10 minutes")', {"duration": "1 hour and 10 minute"}, {}),
    ("set a timer for 5 Minutes.", 'timer(duration="5 minutes")', {"duration": "5 Minutes"}, {}),
    ("wake me at half past six", 'alarm(action="set", time="06:30")', {"time": "half past six"}, {"action": "set"}),
    ("which alarms are set", 'alarm(action="list")', {}, {"action": "list"}),
    ("weather in new york city", 'weather(location="New York City")', {"location": "new york city"}, {}),
    ("is it raining in Zürich?", 'weather(location="Zürich")', {"location": "Zürich"}, {}),
    ("how is the weather", "weather()", {}, {}),
    ("what is 3 plus 4", 'math(question="3 + 4")', {"question": "3 plus 4"}, {}),
    ("the square root of 16", 'math(question="sqrt(16)")', {"question": "square root of 16"}, {}),
    ("minus three times two", 'math(question="-3 * 2")', {"question": "minus three times two"}, {}),
    ("convert ten miles to kilometers", 'convert(source="miles", target="kilometers", amount=10)', {"amount": "ten", "source": "miles", "target": "kilometers"}, {}),
    ("convert a hundred feet to meters", 'convert(source="feet", target="meters", amount=100)', {"amount": "a hundred", "source": "feet", "target": "meters"}, {}),
    ("note buy milk and bread", 'notes(action="add", note="buy milk and bread")', {"note": "buy milk and bread"}, {"action": "add"}),
    ("call mum: note to call mum", 'notes(action="add", note="call mum")', {"note": "call mum"}, {"action": "add"}),
    ("open the text editor", 'runapp(program="text editor")', {"program": "text editor"}, {}),
    ("volume to forty percent", 'volume(action="set", level=40)', {"level": "forty"}, {"action": "set"}),
    ("open the door", "other()", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "call", "spans", "fixed"), ALIGNED, ids=[row[0] for row in ALIGNED])
def test_the_words_of_each_argument(said: str, call: str, spans: dict[str, str], fixed: dict[str, str]) -> None:
    parsed = Call.parse(call)
    found = align(SPECS.get(parsed.name, SPECS["timer"]), Example(said, parsed))
    assert {span.parameter: found.said(span) for span in found.spans} == spans
    assert dict(found.fixed) == fixed
    assert found.missing == ()
    assert found.skill == parsed.name


def test_the_last_of_two_equal_texts_is_the_value() -> None:
    found = align(SPECS["notes"], Example("call mum: note to call mum", Call("notes", {"action": "add", "note": "call mum"})))
    assert [(span.first, span.last) for span in found.spans] == [(4, 5)]


def test_spans_stand_in_the_order_of_the_sentence() -> None:
    found = align(SPECS["convert"], Example("how many meters are 12 feet", Call("convert", {"source": "feet", "target": "meters", "amount": 12})))
    assert [(span.parameter, span.first, span.last) for span in found.spans] == [("target", 2, 2), ("amount", 4, 4), ("source", 5, 5)]


def test_items_of_a_list_and_a_truth_value() -> None:
    found = align(SPECS["shop"], Example("buy milk and rye bread, loudly", Call("shop", {"items": ["milk", "rye bread"], "loud": True})))
    assert [(span.parameter, found.said(span)) for span in found.spans] == [("items", "milk"), ("items", "rye bread")]
    assert found.fixed == (("loud", True),)
    assert found.missing == ()


MISSING = [
    ("set a timer", 'timer(duration="5 minutes")', ("duration",)),
    ("set a timer for five minutes", 'timer(duration="6 minutes")', ("duration",)),
    ("note buy bread", 'notes(action="add", note="buy milk")', ("note",)),
    ("what's the weather there", 'weather(location="Berlin")', ("location",)),
    ("convert miles to kilometers", 'convert(source="miles", target="kilometers", amount=3)', ("amount",)),
    ("convert it", 'convert(source="miles", target="kilometers")', ("source", "target")),
]


@pytest.mark.parametrize(("said", "call", "missing"), MISSING, ids=[row[0] for row in MISSING])
def test_a_value_that_nobody_said_is_missing(said: str, call: str, missing: tuple[str, ...]) -> None:
    parsed = Call.parse(call)
    assert align(SPECS[parsed.name], Example(said, parsed)).missing == missing


def test_every_bundled_example_aligns() -> None:
    assert [f"{item.skill}: {item.example.text}" for item in bundled.aligned() if item.missing] == []


def test_bundled_spans_do_not_overlap_and_are_values() -> None:
    specs = bundled.registry().specs
    for item in bundled.aligned():
        assert all(left.last < right.first for left, right in pairwise(item.spans)), item.example
        if item.skill == "other":
            assert item.spans == ()
            continue
        spec = specs[item.skill]
        said = {span.parameter: item.said(span) for span in item.spans}
        # free text is compared by its words: an example's own punctuation is not said
        spoken = {name: value for name, value in said.items() if not spec.parameter(name).free_text}
        expected = spec.canonical(item.example.call).arguments
        assert {name: spec.parameter(name).canonical(value) for name, value in spoken.items()} == {
            name: spec.parameter(name).canonical(item.example.call.arguments[name]) for name in spoken
        }, item.example
        assert set(expected) <= set(said) | {name for name, _ in item.fixed}, item.example
