"""How numbers, times and lists are said: what a skill's answer is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_LONGEST_EXACT = 50  # digits of a whole number that is still said in full


def duration(seconds: float, parts: int = 2) -> str:
    """A time span in its largest units: "1 hour 5 minutes"; less than a second is "0 seconds".

    Args:
        seconds: the span; a negative one counts as zero.
        parts: how many units to name, beginning with the largest that is not zero.
    """
    rest = max(0, round(seconds))
    found = []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            found.append((f"{count} {name}" + ("s" if count != 1 else ""), size))
    if not found:
        return "0 seconds"
    return " ".join(text for text, _ in found[:parts])


def time(when: datetime) -> str:
    """A time of day: "7:05 AM"."""
    return f"{when.hour % 12 or 12}:{when.minute:02d} {'AM' if when.hour < 12 else 'PM'}"


def day(when: datetime, today: datetime) -> str:
    """The day of a moment as seen from another: "today", "tomorrow", "yesterday", "on Friday", "on March 3"."""
    apart = (when.date() - today.date()).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}
    if apart in near:
        return near[apart]
    return f"on {when:%A}" if 1 < apart < 7 else f"on {when:%B} {when.day}"


def listing(items: Sequence[str], last: str = "and") -> str:
    """Several things as one phrase: "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def number(value: float | Fraction, digits: int = 10) -> str:
    """A number to read aloud: whole numbers in full, others to `digits` significant ones, with "about" where that rounds."""
    exact = Fraction(value)
    if exact.denominator == 1 and len(str(abs(exact.numerator))) <= _LONGEST_EXACT:
        return f"about {exact.numerator}" if isinstance(value, float) and abs(value) > 2**53 else str(exact.numerator)
    rounded = _rounded(exact, digits)
    about = "" if Fraction(rounded) == exact else "about "
    sign, figures, exponent = rounded.normalize().as_tuple()
    assert isinstance(exponent, int)  # a finite number
    magnitude = exponent + len(figures)
    if -5 < magnitude <= 15:
        return f"{about}{rounded.normalize():f}"
    mantissa = Decimal((sign, figures, 1 - len(figures)))
    power = f"minus {1 - magnitude}" if magnitude < 1 else str(magnitude - 1)
    return f"{about}{mantissa:f} times 10 to the power of {power}"


def _rounded(value: Fraction, digits: int) -> Decimal:
    from decimal import Context

    context = Context(prec=digits, Emax=10**6, Emin=-(10**6))
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))
