"""Regular expressions of the numbers between two bounds, as calls print them."""

from __future__ import annotations

import math
from fractions import Fraction

DIGITS = 15  # of a number's whole part: the decimals that a float keeps exactly
PLACES = 4  # after the point; below 0.0001 Python prints an exponent


def integer_regex(minimum: float | None = None, maximum: float | None = None) -> str:
    """The integers from minimum to maximum (both included), without leading zeros; "" where there is none."""
    low = -(10**DIGITS) + 1 if minimum is None else max(math.ceil(minimum), -(10**DIGITS) + 1)
    high = 10**DIGITS - 1 if maximum is None else min(math.floor(maximum), 10**DIGITS - 1)
    return _joined(_integers(low, high))


def decimal_regex(minimum: float | None = None, maximum: float | None = None) -> str:
    """The numbers from minimum to maximum (both included) with up to PLACES decimals, without needless zeros, or ""."""
    limit = 10 ** (DIGITS - PLACES) - Fraction(1, 10**PLACES)
    low = -limit if minimum is None else max(Fraction(str(minimum)), -limit)
    high = limit if maximum is None else min(Fraction(str(maximum)), limit)
    ways = _integers(math.ceil(low), math.floor(high))
    ways += [f"-{way}" for way in _fractions(-high, -low)]
    ways += _fractions(low, high)
    return _joined(ways)


def _integers(low: int, high: int) -> list[str]:
    if low > high:
        return []
    ways = [f"-{way}" for way in _naturals(max(1, -high), -low)] if low < 0 else []
    return ways + (_naturals(max(0, low), high) if high >= 0 else [])


def _naturals(low: int, high: int) -> list[str]:
    """Ways to write the integers from low to high, both 0 or more."""
    ways, whole = [], []
    for length in range(len(str(low)), len(str(high)) + 1):
        smallest, largest = (10 ** (length - 1) if length > 1 else 0), 10**length - 1
        if length > 1 and low <= smallest and largest <= high:
            whole.append(length - 1)
        elif max(low, smallest) <= min(high, largest):
            ways += _same_length(str(max(low, smallest)), str(min(high, largest)))
    return ways + ([f"[1-9][0-9]{{{whole[0]},{whole[-1]}}}"] if whole else [])


def _same_length(low: str, high: str) -> list[str]:
    """Ways to write the digit strings from low to high, which are of one length."""
    if not low:
        return [""]
    if low[0] == high[0]:
        return [low[0] + way for way in _same_length(low[1:], high[1:])]
    rest = len(low) - 1
    first, last = int(low[0]), int(high[0])
    ways = []
    if int(low[1:] or 0) > 0:
        ways += [low[0] + way for way in _same_length(low[1:], "9" * rest)]
        first += 1
    if int(high[1:] or 0) < 10**rest - 1:
        ways += [high[0] + way for way in _same_length("0" * rest, high[1:])]
        last -= 1
    if first <= last:
        ways.append(_digit(first, last) + _any_digits(rest))
    return ways


def _fractions(low: Fraction, high: Fraction) -> list[str]:
    """Ways to write the numbers with decimals from low to high that are above 0."""
    low = max(low, Fraction(0))
    if low > high:
        return []
    scale = 10**PLACES
    whole_low, whole_high = math.floor(low), math.floor(high)
    after_low, after_high = math.ceil((low - whole_low) * scale), math.floor((high - whole_high) * scale)
    if whole_low == whole_high:
        return _with_places(whole_low, whole_low, after_low, after_high)
    ways = _with_places(whole_low, whole_low, after_low, scale - 1)
    if whole_low + 1 < whole_high:
        ways += _with_places(whole_low + 1, whole_high - 1, 1, scale - 1)
    return ways + _with_places(whole_high, whole_high, 1, after_high)


def _with_places(whole_low: int, whole_high: int, after_low: int, after_high: int) -> list[str]:
    places = _places(max(after_low, 1), after_high, PLACES)
    if not places:
        return []
    return [f"{_joined(_naturals(whole_low, whole_high))}\\.{_joined(places)}"]


def _places(low: int, high: int, width: int) -> list[str]:
    """Ways to write low to high as `width` decimals with the zeros at the end left off."""
    if low > high or high <= 0:
        return []
    if low <= 1 and high == 10**width - 1:
        return [f"[0-9]{{0,{width - 1}}}[1-9]"] if width > 1 else ["[1-9]"]
    unit = 10 ** (width - 1)
    ways = []
    for digit in range(low // unit, high // unit + 1):
        first, last = max(low - digit * unit, 0), min(high - digit * unit, unit - 1)
        if digit and first == 0:
            ways.append(str(digit))
        ways += [f"{digit}{way}" for way in _places(max(first, 1), last, width - 1)] if width > 1 else []
    return ways


def _digit(first: int, last: int) -> str:
    return str(first) if first == last else f"[{first}-{last}]"


def _any_digits(count: int) -> str:
    return "" if count == 0 else "[0-9]" if count == 1 else f"[0-9]{{{count}}}"


def _joined(ways: list[str]) -> str:
    if not ways:
        return ""
    return ways[0] if len(ways) == 1 and "|" not in ways[0] else f"({'|'.join(ways)})"
