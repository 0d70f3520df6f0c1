"""Parameters: from a type hint to validated, canonical values."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from strategies import parameters, values

from otto import AppName, Date, Duration, Expression, InvalidCall, Location, Number, Time
from otto.parameters import MISSING, Parameter, UnsupportedType, parameter_from_hint

HINTS = [
    (str, "x: str"),
    (int, "x: int"),
    (float, "x: float"),
    (bool, "x: bool"),
    (Duration, "x: Duration"),
    (Literal["add", "list"], 'x: Literal["add", "list"]'),
    (Literal[1, 2], "x: Literal[1, 2]"),
    (list[str], "x: list[str]"),
    (list[Date], "x: list[Date]"),
    (list[Literal["a", "b"]], 'x: list[Literal["a", "b"]]'),
    (Optional[Time], "x: Time | None"),  # noqa: UP045  people write it so
    (Union[Time, None], "x: Time | None"),  # noqa: UP007
    (Location | None, "x: Location | None"),
    (list[int] | None, "x: list[int] | None"),
    (Annotated[str, "the words"], "x: str"),
    (Annotated[int, Field(ge=0, le=100)], "x: int"),
    (Annotated[int | None, Field(ge=0, le=100)], "x: int | None"),
    (Annotated[int, Field(ge=0, le=100)] | None, "x: int | None"),
    (list[Annotated[int, Field(ge=0, le=100)]], "x: list[int]"),
]


@pytest.mark.parametrize(("hint", "printed"), HINTS)
def test_type_hints(hint: Any, printed: str) -> None:
    assert str(parameter_from_hint("x", hint)) == printed


UNSUPPORTED = [
    (dict, "x has a type that cannot be said: dict"),
    (bytes, "x has a type that cannot be said: bytes"),
    (Any, "x has a type that cannot be said: Any"),
    (list, "x has a type that cannot be said: list"),
    (set[str], "x has a type that cannot be said: set"),
    (str | int, "x has a type that cannot be said"),
    (list[list[str]], "x has a type that cannot be said"),
    (Literal["a", None], "x has a type that cannot be said"),
    (Annotated[int, Field(gt=0)], "x has a constraint that is not known here: Gt"),
    (Annotated[str, Field(min_length=2)], "x has a constraint that is not known here: MinLen"),
    (Annotated[int, Field(ge=5, le=1)], "x has a minimum above its maximum; swap them"),
    (Annotated[int, Field(ge=0.5)], "x is an int with a bound that is none"),
    (Annotated[str, Field(ge=0)], "x has bounds and is no number"),
    (Annotated[Duration, Field(ge=0)], "x has bounds and is no number"),
]


@pytest.mark.parametrize(("hint", "message"), UNSUPPORTED)
def test_unsupported_types(hint: Any, message: str) -> None:
    with pytest.raises(UnsupportedType) as caught:
        parameter_from_hint("x", hint)
    assert str(caught.value).startswith(message)
    assert caught.value.mend


DEFAULTS = [
    (int, "many", "the default of x is wrong"),
    (Literal["a", "b"], "c", "the default of x is wrong"),
    (Duration, "soon", "the default of x is wrong"),
    (Annotated[int, Field(le=10)], 11, "the default of x is wrong"),
    (list[int], 5.5, "the default of x is wrong"),
    (str, None, "x is None by default; write x: str | None = None"),
]


@pytest.mark.parametrize(("hint", "default", "message"), DEFAULTS)
def test_wrong_defaults(hint: Any, default: Any, message: str) -> None:
    with pytest.raises(UnsupportedType, match=message.replace("|", r"\|")):
        parameter_from_hint("x", hint, default)


def test_descriptions() -> None:
    assert (
        parameter_from_hint("x", Annotated[str, "the words"], description="of the docstring").description == "the words"
    )
    assert parameter_from_hint("x", Annotated[int, Field(ge=1, description="a page")]).description == "a page"
    assert parameter_from_hint("x", str, description="of the\n  docstring").described == "x, of the docstring"
    assert parameter_from_hint("x", int).described == "x, a whole number"
    assert parameter_from_hint("x", Literal["a", "b"]).described == "x as one of: a, b"


CANONICAL = [
    (str, "  buy   milk ", "buy milk"),
    (str, "two\nlines ", "two\nlines"),
    (str, "", ""),
    (int, 5, 5),
    (int, "five", 5),
    (int, "twenty one", 21),
    (int, "minus three", -3),
    (float, "two point five", 2.5),
    (float, "five", 5),
    (float, 5.0, 5),
    (bool, "yes", True),
    (bool, "Off", False),
    (bool, True, True),
    (Literal["add", "list"], "ADD", "add"),
    (Literal["add", "list"], " list ", "list"),
    (Literal[1, 2], "2", 2),
    (list[str], ["milk ", "eggs"], ["milk", "eggs"]),
    (list[str], "milk", ["milk"]),
    (list[int], ["one", 2], [1, 2]),
    (list[Duration], ["an hour", "90 seconds"], ["1 hour", "1 minute 30 seconds"]),
    (Duration, "two and a half hours", "2 hours 30 minutes"),
    (Number, "a dozen", 12),
    (Number, 2.0, 2),
    (Expression, "three squared plus nine", "3 ** 2 + 9"),
    (Date, "day after tomorrow", "in 2 days"),
    (Time, "half past six", "06:30"),
    (Location, "the city of new york", "New York"),
    (AppName, "the Firefox app", "firefox"),
    (Duration | None, None, None),
    (Annotated[int, Field(ge=0, le=100)], "one hundred", 100),
]


@pytest.mark.parametrize(("hint", "said", "expected"), CANONICAL)
def test_canonical_values(hint: Any, said: Any, expected: Any) -> None:
    found = parameter_from_hint("x", hint).canonical(said)
    assert found == expected
    assert type(found) is type(expected), "a plain literal, not otto's own type"


INVALID = [
    (str, 5),
    (str, None),
    (str, ["a"]),
    (str, True),
    (int, "milk"),
    (int, 2.5),
    (int, "two point five"),
    (int, True),
    (int, None),
    (float, "milk"),
    (float, False),
    (bool, "maybe"),
    (bool, None),
    (Literal["add", "list"], "remove"),
    (Literal["add", "list"], None),
    (Literal["add", "list"], 1),
    (list[str], [5]),
    (list[str], [["a"]]),
    (list[int], ["milk"]),
    (Duration, "a while"),
    (Duration, "0 seconds"),
    (Duration, None),
    (Duration, ["5 minutes"]),
    (Duration, True),
    (Number, "milk"),
    (Time, "25:00"),
    (Annotated[int, Field(ge=0, le=100)], 101),
    (Annotated[int, Field(ge=0, le=100)], "minus one"),
    (Annotated[float, Field(ge=0.5)], 0.25),
]


@pytest.mark.parametrize(("hint", "said"), INVALID)
def test_invalid_values(hint: Any, said: Any) -> None:
    with pytest.raises(InvalidCall) as caught:
        parameter_from_hint("x", hint).validate(said)
    assert str(caught.value).startswith(f"x={said!r} does not fit (")
    assert "; give x" in str(caught.value) and "\n" not in str(caught.value)


def test_values_are_of_the_type_that_the_skill_takes() -> None:
    value = parameter_from_hint("x", Duration).validate("ninety seconds")
    assert isinstance(value, Duration) and value.seconds == 90
    assert parameter_from_hint("x", list[Number]).validate(["two"]) == [2]


def test_bounds_of_numbers_that_are_said() -> None:
    parameter = parameter_from_hint("x", Annotated[Number, Field(ge=1, le=10)])
    assert parameter.canonical("ten") == 10
    with pytest.raises(InvalidCall):
        parameter.validate("eleven")


def test_defaults_are_canonical() -> None:
    assert parameter_from_hint("x", Duration, "sixty seconds").canonical_default == "1 minute"
    assert parameter_from_hint("x", Duration | None, None).canonical_default is None
    assert parameter_from_hint("x", Duration).canonical_default is MISSING


def test_json_schemas() -> None:
    assert parameter_from_hint("x", int, description="how many").json_schema() == {
        "type": "integer",
        "description": "how many",
    }
    assert parameter_from_hint("x", Literal["a", "b"]).json_schema() == {
        "enum": ["a", "b"],
        "type": "string",
        "description": "x as one of: a, b",
    }
    duration = parameter_from_hint("x", Duration).json_schema()
    assert duration["type"] == "string" and duration["pattern"] == f"^({Duration.pattern})$"
    assert parameter_from_hint("x", Number).json_schema()["type"] == "number"
    level = parameter_from_hint("x", Annotated[int, Field(ge=0, le=100)]).json_schema()
    assert (level["minimum"], level["maximum"]) == (0, 100)


@given(st.data())
def test_canonical_is_a_fixed_point(data: st.DataObject) -> None:
    parameter: Parameter = data.draw(parameters("x"))
    canonical = parameter.canonical(data.draw(values(parameter)))
    assert parameter.canonical(canonical) == canonical
