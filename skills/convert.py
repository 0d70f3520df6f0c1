"""Units of measure."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from typing import Any

from otto import Number, OttoError, skill, spoken

DIGITS = 6  # significant, of a result
ALIASES = {  # as people say or abbreviate them → pint's name, where pint has another or takes it for something else
    "c": "degC", "f": "degF", "k": "kelvin", "celsius": "degC", "fahrenheit": "degF", "centigrade": "degC", "celcius": "degC",
    "farenheit": "degF", "kilo": "kilogram", "kilos": "kilogram", "kgs": "kilogram", "lbs": "pound", "l": "liter", "mls": "milliliter",
    "in": "inch", "kph": "kilometer_per_hour", "kmh": "kilometer_per_hour", "kw": "kilowatt", "kwh": "kilowatt_hour", "kcal": "kilocalorie",
    "btu": "Btu", "btus": "Btu", "hp": "horsepower", "kj": "kilojoule", "kpa": "kilopascal", "hz": "hertz", "khz": "kilohertz",
    "mhz": "megahertz", "ghz": "gigahertz", "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "megs": "megabyte",
    "gigs": "gigabyte", "hrs": "hour", "mins": "minute", "min": "minute", "secs": "second", "lightyear": "light_year",
    "lightyears": "light_year", "decade": "ten_years", "decades": "ten_years",
}  # fmt: skip
POWERS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cu": 3}
IRREGULAR = {"feet": "foot", "inches": "inch", "centuries": "century"}


@skill(read_only=True, idempotent=True)
def convert(source: str, target: str, amount: Number = 1) -> str:  # type: ignore[assignment]  # validated into a Number
    """Convert an amount from one unit of measure to another.

    Args:
        source: the unit to convert from, such as "miles"
        target: the unit to convert to, such as "kilometers"
        amount: how many of the source unit
    """
    value = _converted(float(amount), source, target)
    given = Fraction(f"{float(amount):.15g}")
    verb = "is" if given == 1 else "are"
    return f"{spoken.number(given)} {_counted(source, given)} {verb} {spoken.number(value, DIGITS)} {_counted(target, value)}."


def _converted(amount: float, source: str, target: str) -> Fraction:
    import pint

    registry = _registry()
    units = [_unit(source, registry), _unit(target, registry)]
    if {"[mass]", "[length] ** 3"} == {str(unit.dimensionality) for unit in units}:  # "ounces in a cup" are fluid ounces
        units = [registry.Unit("fluid_ounce") if unit == registry.Unit("ounce") else unit for unit in units]
    try:
        value = registry.Quantity(amount, units[0]).to(units[1]).magnitude
    except pint.PintError:
        raise OttoError(f"{source} cannot be converted to {target}", "ask for two units of the same kind, such as miles and kilometers") from None
    if not isfinite(value):
        raise OttoError("That number is too large to convert", "ask with a smaller one")
    if units[1].dimensionality == "[temperature]":
        value = round(value, 6)  # subtracted offsets leave dust beside zero
    return Fraction(f"{value:.12g}")  # without the dust of binary fractions


@lru_cache(maxsize=1)
def _registry() -> Any:
    """Pint's units; reading them takes about 0.13 s."""
    import pint

    registry = pint.UnitRegistry()
    registry.define("ten_years = 10 * year")  # pint's own decade is a ratio
    return registry


def _unit(said: str, registry: Any) -> Any:
    """The unit of a spoken name: "square feet", "miles per hour", "meters per second squared", "degrees celsius".

    Only names are looked up: nothing that was said is evaluated.

    Raises:
        OttoError: there is no such unit.
    """
    unit = registry.Unit("")
    for place, part in enumerate(re.split(r" per (?:an? )?|/", said.casefold().strip(" ."))):
        unit = unit * _factor(part, said, registry) ** (1 if place == 0 else -1)
    return unit


def _factor(part: str, said: str, registry: Any) -> Any:
    words = part.replace("-", " ").split()
    power = 1
    if len(words) > 1 and words[0] in ("degree", "degrees", "us", "american"):
        words = words[1:]
    for end in (0, -1):
        if len(words) > 1 and words[end] in POWERS:
            power = POWERS[words.pop(end)]
    name = "_".join(words)
    for candidate in (ALIASES.get(name), name, name.removesuffix("s"), name.removesuffix("es")):
        if candidate and re.fullmatch("[a-zA-Zµ][a-zA-Z_µ]*", candidate) and candidate in registry:
            return registry.Unit(candidate) ** power
    raise OttoError(f'"{said}" is not a unit that is known here', "say its full name, such as kilometers or fluid ounces")


def _counted(unit: str, count: Fraction) -> str:
    """The unit as it was said, in the singular where there is one of it; "c" and "celsius" as degrees."""
    degrees = {"degC": "degrees Celsius", "degF": "degrees Fahrenheit"}.get(ALIASES.get(unit.casefold(), ""))
    if degrees:
        return degrees
    head, per, tail = unit.partition(" per ")
    words = head.split()
    if count == 1 and words:
        last = words[-1]
        plural = len(last) > 3 and last.endswith("s") and not last.endswith(("us", "ss", "hertz"))
        words[-1] = IRREGULAR.get(last, last.removesuffix("s") if plural else last)
    return f"{' '.join(words)}{per}{tail}"
