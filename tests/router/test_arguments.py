"""From spans to arguments: the types know better where a value ends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from otto import Call, Date, Duration, Expression, Location, Time
from otto.align import Span
from otto.router.arguments import build_call
from otto.router.format import said_text, span_call
from otto.skill import SkillSpec, declare
from otto.words import normal_text, split_words
from tests import bundled


def timer(duration: Duration) -> None:
    """Set a timer."""


def alarm(action: Literal["set", "list"], time: Time | None = None) -> None:
    """Set or list alarms."""


def weather(location: Location | None = None) -> None:
    """Tell the weather."""


def date(day: Date | None = None) -> None:
    """Tell the date."""


def math(question: Expression) -> None:
    """Calculate."""


def volume(action: Literal["up", "set"], level: Annotated[int, Field(ge=0, le=100)] | None = None) -> None:
    """Change the volume."""


def note(text: str) -> None:
    """Write something down."""


def shop(items: list[str]) -> None:
    """Put things on the list."""


SPECS: dict[str, SkillSpec] = {spec.name: spec for spec in map(declare, (timer, alarm, weather, date, math, volume, note, shop))}


def built(skill: str, said: str, fixed: dict[str, Any], spans: list[tuple[str, int, int]], expected: tuple[str, ...] = ()) -> str | None:
    call = build_call(SPECS[skill], said, split_words(said), fixed.items(), [Span(*span) for span in spans], expected)
    return None if call is None else str(call)


ACCEPTED = [
    ("timer", "set a timer for five minutes", {}, [("duration", 4, 5)], 'timer(duration="5 minutes")', "as the model says"),
    ("timer", "set a timer for five minutes", {}, [("duration", 4, 4)], 'timer(duration="5 minutes")', "a span that is too short grows"),
    ("timer", "an hour and a half timer", {}, [("duration", 0, 1)], 'timer(duration="1 hour 30 minutes")', "to the whole value"),
    ("timer", "set a timer for five minutes please", {}, [("duration", 3, 6)], 'timer(duration="5 minutes")', "one that is too long shrinks"),
    ("timer", "set a timer for five minutes", {}, [], 'timer(duration="5 minutes")', "a required value is looked for everywhere"),
    ("timer", "set a timer for five minutes", {}, [("duration", 0, 0)], 'timer(duration="5 minutes")', "also where the hint touches none"),
    ("math", "what is three plus four times two", {}, [("question", 2, 4)], 'math(question="3 + 4 * 2")', "the longest formula"),
    ("alarm", "wake me at half past six", {"action": "set"}, [("time", 5, 5)], 'alarm(action="set", time="06:30")', "the longest time"),
    ("alarm", "alarms at six", {"action": "list"}, [], 'alarm(action="list")', "an optional value without a hint is not looked for"),
    ("weather", "weather in new york", {}, [("location", 2, 3)], 'weather(location="New York")', "a place"),
    ("weather", "weather now", {}, [], "weather()", "no span, no place"),
    ("weather", "weather right now", {}, [("location", 2, 2)], "weather()", "what is no place is left out"),
    ("volume", "volume to forty", {"action": "set"}, [("level", 2, 2)], 'volume(action="set", level=40)', "a number"),
    ("volume", "volume to 400", {"action": "set"}, [("level", 2, 2)], 'volume(action="set")', "one beyond its bounds is left out"),
    ("note", "Note: Buy MILK, and bread!", {}, [("text", 1, 4)], 'note(text="Buy MILK, and bread")', "free text as it was said"),
    ("shop", "buy milk and rye bread", {}, [("items", 1, 1), ("items", 3, 4)], 'shop(items=["milk", "rye bread"])', "each span an item"),
]  # fmt: skip


@pytest.mark.parametrize(("skill", "said", "fixed", "spans", "call", "why"), ACCEPTED, ids=[f"{row[1]}, {row[5]}" for row in ACCEPTED])
def test_a_call_from_spans(skill: str, said: str, fixed: dict[str, Any], spans: list[tuple[str, int, int]], call: str, why: str) -> None:
    assert built(skill, said, fixed, spans) == call, why


def test_an_expected_value_is_looked_for() -> None:
    said = "what day is next monday"
    assert built("date", said, {}, []) == "date()"
    assert built("date", said, {}, [], ("day",)) == str(SPECS["date"].canonical(Call("date", {"day": "next monday"})))


def test_an_expected_place_is_not_looked_for() -> None:
    assert built("weather", "weather in new york", {}, [], ("location",)) == "weather()"


REFUSED = [
    ("timer", "set a timer", {}, [], "nothing to find"),
    ("timer", "set a timer for ever", {}, [("duration", 4, 4)], "no duration anywhere"),
    ("note", "make a note", {}, [], "free text is never guessed"),
    ("shop", "go shopping", {}, [], "nor a list"),
    ("math", "what is love", {}, [("question", 2, 2)], "no formula"),
    ("alarm", "wake me", {}, [], "the action is missing"),
    ("alarm", "wake me", {"action": "explode"}, [], "it is none of the choices"),
]


@pytest.mark.parametrize(("skill", "said", "fixed", "spans", "why"), REFUSED, ids=[f"{row[1]}, {row[4]}" for row in REFUSED])
def test_no_call(skill: str, said: str, fixed: dict[str, Any], spans: list[tuple[str, int, int]], why: str) -> None:
    assert built(skill, said, fixed, spans) is None, why


words = st.lists(st.sampled_from("set a timer for five ten minutes hours at noon in paris 7 + 3 buy milk please".split()), min_size=1, max_size=8)


@given(words, st.sampled_from(sorted(SPECS)), st.data())
def test_what_is_built_is_a_canonical_call(said: list[str], skill: str, data: st.DataObject) -> None:
    text, spec = " ".join(said), SPECS[skill]
    spans = []
    for parameter in spec.parameters:
        if not parameter.choices and data.draw(st.booleans()):
            first = data.draw(st.integers(0, len(said) - 1))
            spans.append(Span(parameter.name, first, data.draw(st.integers(first, len(said) - 1))))
    call = build_call(spec, text, split_words(text), [("action", "set")] if spec.parameters[0].choices else [], spans)
    if call is not None:
        assert str(spec.canonical(call)) == str(call)


def test_every_bundled_example_is_built_from_its_own_spans() -> None:
    specs, wrong = bundled.registry().specs, []
    for item in bundled.aligned()[::3]:
        if item.skill == "other" or item.missing:
            continue
        spec = specs[item.skill]
        found = build_call(spec, item.example.text, item.words, item.fixed, item.spans)
        wanted = spec.canonical(item.example.call)
        if found is None or _plain(spec, found) != _plain(spec, wanted):
            wrong.append(f"{item.example.text}: {found} for {wanted}")
    assert wrong == []


def _plain(spec: SkillSpec, call: Call) -> dict[str, Any]:
    """Arguments with free text in normal form: an example's label may leave out what was said between its words."""
    return {name: normal_text(str(value)) if spec.parameter(name).free_text else value for name, value in call.arguments.items()}


def test_the_text_of_a_call_with_spans() -> None:
    said = [word.text for word in split_words("set an alarm for half past six")]
    assert span_call(SPECS["alarm"], said, [Span("time", 4, 6)], [("action", "set")]) == 'alarm(action="set", time=" half past six")'
    assert span_call(SPECS["weather"], said, [], []) == "weather()"
    assert span_call(SPECS["shop"], ["buy", "milk", "and", "tea"], [Span("items", 1, 1), Span("items", 3, 3)], []) == 'shop(items=[" milk", " tea"])'
    assert said_text(['say', '"hi"']) == '" say \\"hi\\""'


@given(st.lists(st.text("abcäß019\"\\'+", min_size=1, max_size=5), min_size=1, max_size=6), st.data())
def test_a_call_with_spans_reads_back(said: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(said) - 1))
    last = data.draw(st.integers(first, len(said) - 1))
    call = Call.parse(span_call(SPECS["note"], said, [Span("text", first, last)], []))
    assert call.arguments["text"] == "".join(f" {word}" for word in said[first : last + 1])
    assert Call.parse(str(call)).arguments == call.arguments


def test_the_bundled_examples_with_spans_read_back() -> None:
    specs = bundled.registry().specs
    for item in bundled.aligned()[::7]:
        if item.skill != "other":
            words = [word.text for word in item.words]
            call = Call.parse(span_call(specs[item.skill], words, item.spans, item.fixed))
            said = {span.parameter: "".join(f" {word}" for word in words[span.first : span.last + 1]) for span in item.spans}
            assert (call.name, call.arguments) == (item.skill, said | dict(item.fixed)), item.example
