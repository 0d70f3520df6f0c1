"""Number: an amount as it is said."""

from __future__ import annotations

import re
from typing import Any

from typing_extensions import Self

from otto.types import words
from otto.types.base import MAX_LENGTH, SpokenType

_LIMIT = 10**15  # beyond it a float no longer tells whole numbers apart


class Number(SpokenType, float):
    """A number: "twenty one", "two and a half", "minus three", "1,250", "half a million"."""

    description = "a number such as 'twenty one' or '2.5'"
    pattern = r"-?([0-9]{1,15}|1000000000000000|[0-9]{1,12}\.[0-9]{1,21}|[0-9](\.[0-9]{1,17})?e-[0-9]{1,2})"
    samples = (
        "five", "a", "ten", "twenty one", "forty-two", "a hundred", "a hundred and five", "one thousand two hundred",
        "two point five", "zero point seven", "minus three", "three quarters", "two and a half", "a dozen",
        "half a million",
        "1", "3", "7.5", "12", "40", "98.6", "250", "1,250", "10000", "-4",
    )  # fmt: skip

    def __new__(cls, said: str | int | float) -> Self:
        if isinstance(said, bool) or not isinstance(said, str | int | float):
            raise cls.refusal(said)
        value = _value(said) if isinstance(said, str) else float(said)
        if value is None or not abs(value) <= _LIMIT:
            raise cls.refusal(said)
        return super().__new__(cls, value + 0.0)  # minus zero is zero

    @classmethod
    def parse(cls, said: str | int | float) -> Self:
        """The number that was said. Raises ValueError, one sentence, where it is none."""
        return cls(said)

    def __str__(self) -> str:
        return str(self.canonical)

    @property
    def canonical(self) -> int | float:
        """An int where it is whole, else a float."""
        return int(self) if self.is_integer() else float(self)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON schema of the canonical values."""
        return {"type": "number"}

    @classmethod
    def jsgf(cls) -> str:
        """Rules of zero to 999,999, with a sign, decimals or a fraction."""
        return (
            "<Number> = [minus] (<Number_whole> | <Number_whole> point <Number_digit> [<Number_digit>])"
            " | <Number_99> and (a half | a quarter | three quarters) | a half | a quarter | three quarters"
            " | (a | half a) (dozen | million) | <Number_99> million;\n"
            "<Number_whole> = zero | <Number_999> | (a | <Number_999>) thousand [[and] <Number_999>];\n"
            "<Number_digit> = zero | oh | <Number_unit>;\n" + words.jsgf_numbers("Number")
        )


_NUMERAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,3})?", re.IGNORECASE)


def _value(said: str) -> float | None:
    text = said.strip()[:MAX_LENGTH]
    if _NUMERAL.fullmatch(text):
        return float(text)
    value = words.number_in(text)
    return float(value) if value is not None and -_LIMIT <= value <= _LIMIT else None
