"""What holds for every spoken type: patterns, speech grammars, samples, pydantic, speed of refusal's worst input."""

from __future__ import annotations

import copy
import pickle
import random
import re

import pydantic
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsgf import Grammar

from otto.types import SPOKEN, Duration, Number, SpokenType
from otto.types.base import MAX_LENGTH

KINDS = list(SPOKEN.values())
NAMES = ("Location", "AppName")  # some words that look like a name are none: "tomorrow", "it"

SCRAPS = "a an and five half 3 . , : past to hours of % ( ) - tomorrow e'".split()
HOSTILE = [None, True, [], "", " ", "?", "\0", "(" * 1999, "a " * 999, "half of " * 249, "-" * 1999, "9" * 1999]

each_kind = pytest.mark.parametrize("kind", KINDS, ids=list(SPOKEN))


def _is_short(text: str) -> bool:
    return len(text) <= MAX_LENGTH


def canonical(value: SpokenType) -> str:
    return repr(value.canonical) if isinstance(value, Number) else str(value)


@each_kind
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))  # drawing Expression's is slow
@given(data=st.data())
def test_what_matches_the_pattern_parses_to_a_fixed_point(kind: type[SpokenType], data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(kind.pattern, re.ASCII), fullmatch=True).filter(_is_short))
    try:
        value = kind.parse(text)
    except ValueError:
        assume(kind.__name__ not in NAMES)
        raise
    assert kind.parse(canonical(value)) == value
    assert re.fullmatch(kind.pattern, canonical(value))


@each_kind
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text() | st.lists(st.sampled_from(SCRAPS)).map(" ".join))
def test_any_text_is_a_value_or_one_sentence(kind: type[SpokenType], text: str) -> None:
    try:
        value = kind.parse(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert re.fullmatch(kind.pattern, canonical(value))
    assert kind.parse(canonical(value)) == value


@each_kind
def test_samples_are_many_and_parse(kind: type[SpokenType]) -> None:
    assert len(set(kind.samples)) >= 20
    for said in kind.samples:
        assert re.fullmatch(kind.pattern, canonical(kind.parse(said)))


@each_kind
def test_every_sentence_of_the_speech_grammar_parses(kind: type[SpokenType]) -> None:
    text = kind.jsgf()
    if text is None:
        assert kind.__name__ == "AppName"
        return
    grammar, random_ = Grammar(text), random.Random(7)
    assert grammar.first == f"<{kind.__name__}>"
    assert all(name == grammar.first or name.startswith(f"<{kind.__name__}_") for name in grammar._rules)
    for _ in range(1500):
        said = grammar.sample(random_)
        assert re.fullmatch("[a-z' ]+", said)
        kind.parse(said)


@each_kind
@pytest.mark.parametrize("said", HOSTILE)
def test_what_is_nobodys_value_is_refused(kind: type[SpokenType], said: object) -> None:
    with pytest.raises(ValueError):
        kind.parse(said)


@each_kind
def test_a_value_survives_copying(kind: type[SpokenType]) -> None:
    value = kind.parse(kind.samples[0])
    for again in (copy.deepcopy(value), pickle.loads(pickle.dumps(value)), kind.parse(value)):
        assert again == value and type(again) is kind


def test_pydantic_validates_and_describes() -> None:
    adapter = pydantic.TypeAdapter(Duration | None)
    value = adapter.validate_python("two and a half hours")
    assert value == "2 hours 30 minutes" and isinstance(value, Duration)
    assert adapter.validate_python(None) is None
    with pytest.raises(pydantic.ValidationError, match="'a while' is not a duration"):
        pydantic.TypeAdapter(Duration).validate_python("a while")
    schema = pydantic.TypeAdapter(Duration).json_schema()
    assert schema["type"] == "string" and re.search(schema["pattern"], "5 minutes")
    assert not re.search(schema["pattern"], "about 5 minutes")
    assert pydantic.TypeAdapter(Number).json_schema() == {"type": "number"}
    assert pydantic.TypeAdapter(Number).dump_json(Number("two and a half")) == b"2.5"
