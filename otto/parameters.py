"""Parameter: one argument of a skill, from its type hint to its validated, canonical value."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from otto.errors import InvalidCall, OttoError
from otto.types import Number, SpokenType
from otto.types.base import SpokenText

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MISSING = inspect.Parameter.empty
Plain = (str, int, float, bool)


class UnsupportedType(OttoError):
    """A type hint that nothing said can be turned into."""


@dataclass(frozen=True)
class Parameter:
    """One argument. Exactly one of `choices`, `spoken` and `plain` says what a single value is."""

    name: str
    description: str = ""
    required: bool = True
    default: Any = MISSING
    choices: tuple[Any, ...] = ()  # of a Literal
    spoken: type[SpokenType] | None = None
    plain: type | None = None  # str, int, float or bool
    is_list: bool = False
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None

    def __str__(self) -> str:
        default = "" if self.required else f" = {self.default!r}"
        return f"{self.name}: {self.type_name}{default}"

    @property
    def type_name(self) -> str:
        """As written in a signature: `Literal["add", "list"]`, `Duration | None`."""
        if self.choices:
            name = f"Literal[{', '.join(map(repr, self.choices))}]".replace("'", '"')
        else:
            name = (self.spoken or self.plain or str).__name__
        name = f"list[{name}]" if self.is_list else name
        return f"{name} | None" if self.nullable else name

    @property
    def described(self) -> str:
        """What a value looks like, in words."""
        if self.choices:
            return f"{self.name} as one of: {', '.join(map(str, self.choices))}"
        kind = self.spoken.description if self.spoken else _PLAIN_NAMES[self.plain or str]
        return f"{self.name}, {self.description or kind}"

    @property
    def free_text(self) -> bool:
        """True for a str, whose value is any words that were said."""
        return self.plain is str

    def validate(self, value: Any) -> Any:
        """The value as the skill takes it, from a literal or from words as they were said.

        Raises:
            InvalidCall: it is not of the parameter's type.
        """
        from pydantic import ValidationError

        if value is None and self.nullable:
            return None
        try:
            return self._adapter.validate_python(self._from_words(value))
        except (ValidationError, ValueError) as error:
            raise InvalidCall(f"{self.name}={value!r} does not fit ({_reason(error)})", f"give {self.described}") from None

    def canonical(self, value: Any) -> Any:
        """The value as a literal in its one canonical form. Raises InvalidCall."""
        return _literal(self.validate(value))

    def said_value(self, said: str) -> Any:
        """The canonical value of a single value's words, None where they are none: `canonical` without its errors, for searches."""
        if self.spoken is not None and issubclass(self.spoken, SpokenText):
            return self.spoken.normalise(said)
        try:
            return self.canonical([said] if self.is_list else said)
        except InvalidCall:
            return None

    @cached_property
    def canonical_default(self) -> Any:
        return MISSING if self.required else self.default if self.default is None else self.canonical(self.default)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        from pydantic import TypeAdapter

        return TypeAdapter(self.hint)

    @property
    def hint(self) -> Any:
        """The type as pydantic and JSON schema take it."""
        from pydantic import Field

        if self.choices:
            hint: Any = typing.Literal[self.choices]
        else:
            hint = self.spoken or self.plain
        if self.minimum is not None or self.maximum is not None:
            hint = Annotated[hint, Field(ge=self.minimum, le=self.maximum)]
        hint = list[hint] if self.is_list else hint
        return hint | None if self.nullable else hint

    def json_schema(self) -> dict[str, Any]:
        schema = self._adapter.json_schema()
        return {**schema, "description": self.description or self.described}

    def _from_words(self, value: Any) -> Any:
        """Spoken numbers, yes and no, and the choices in any case, as the literals that pydantic takes strictly."""
        if self.is_list:
            items = value if isinstance(value, list) else [value]
            return [self._item_from_words(item) for item in items]
        return self._item_from_words(value)

    def _item_from_words(self, value: Any) -> Any:
        if self.choices:
            return _choice(value, self.choices)
        if not isinstance(value, str):
            if self.plain is str or (isinstance(value, bool) and self.plain is not bool):
                raise ValueError("text is needed" if self.plain is str else "a number is needed")
            return value
        if self.plain is str:
            return " ".join(value.split()) if "\n" not in value else value.strip()
        if self.plain in (int, float):
            return Number.parse(value).canonical
        if self.plain is bool:
            return _YES_NO.get(value.casefold().strip(), value)
        return value


_YES_NO = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_PLAIN_NAMES: dict[type, str] = {str: "some words", int: "a whole number", float: "a number", bool: "yes or no"}


def _choice(value: Any, choices: Sequence[Any]) -> Any:
    if isinstance(value, str):
        for choice in choices:
            if str(choice).casefold() == value.casefold().strip():
                return choice
    return value


def _literal(value: Any) -> Any:
    if isinstance(value, Number):
        return value.canonical
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _reason(error: Exception) -> str:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return str(error)


def parameter_from_hint(name: str, hint: Any, default: Any = MISSING, description: str = "") -> Parameter:
    """The Parameter of a type hint; `Annotated` adds a description (a str) and pydantic's `Field(ge=…, le=…)`.

    Raises:
        UnsupportedType: a value of it cannot be said, or the default does not fit.
    """
    hint, notes = _without_notes(hint)
    inner, nullable = _without_none(hint)
    inner, more = _without_notes(inner)
    notes += more
    is_list = typing.get_origin(inner) is list
    if is_list:
        inner, more = _without_notes((typing.get_args(inner) or (str,))[0])
        notes += more
    kind = _single_type(name, inner)
    noted = (note if isinstance(note, str) else getattr(note, "description", None) for note in notes)
    description = next((text for text in noted if text), description)
    parameter = Parameter(
        name=name,
        description=" ".join(description.split()),
        required=default is MISSING,
        default=default,
        is_list=is_list,
        nullable=nullable,
        **kind,
        **_limits(name, inner, notes),
    )
    if default is not MISSING:
        try:
            parameter.canonical(default) if default is not None else None
        except InvalidCall as error:
            raise UnsupportedType(f"the default of {name} is wrong: {error.what}", error.mend) from None
        if default is None and not nullable:
            raise UnsupportedType(f"{name} is None by default", f"write {name}: {parameter.type_name} | None = None")
    return parameter


def _without_notes(hint: Any) -> tuple[Any, list[Any]]:
    if typing.get_origin(hint) is Annotated:
        hint, *notes = typing.get_args(hint)
        return hint, notes
    return hint, []


def _limits(name: str, hint: Any, notes: Sequence[Any]) -> dict[str, Any]:
    """The bounds that `Field(ge=…, le=…)` and its like set. Raises UnsupportedType for any other constraint."""
    found: dict[str, Any] = {}
    for note in notes:
        for part in getattr(note, "metadata", [] if isinstance(note, str) else [note]):
            bounds = {key: float(getattr(part, short)) for short, key in (("ge", "minimum"), ("le", "maximum")) if hasattr(part, short)}
            if not bounds:
                raise UnsupportedType(f"{name} has a constraint that is not known here: {part}", "use Field(ge=…, le=…)")
            found.update(bounds)
    if found.get("minimum", -math.inf) > found.get("maximum", math.inf):
        raise UnsupportedType(f"{name} has a minimum above its maximum", "swap them")
    if found and hint not in (int, float, Number):
        raise UnsupportedType(f"{name} has bounds and is no number", "use int, float or Number")
    if hint is int and not all(bound.is_integer() for bound in found.values()):
        raise UnsupportedType(f"{name} is an int with a bound that is none", "use whole numbers, or float")
    return found


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [item for item in typing.get_args(hint) if item is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return hint, False


def _single_type(name: str, hint: Any) -> dict[str, Any]:
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        if all(isinstance(choice, str | int) for choice in choices):
            return {"choices": choices}
    elif isinstance(hint, type) and issubclass(hint, SpokenType):
        return {"spoken": hint}
    elif hint in Plain:
        return {"plain": hint}
    known = "str, int, float, bool, Literal, list, Optional, or one of otto's own: Duration, Number, Expression, Date, Time, Location, AppName"
    raise UnsupportedType(f"{name} has a type that cannot be said: {getattr(hint, '__name__', hint)}", f"use {known}")
