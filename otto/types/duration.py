"""Duration: a length of time as it is said."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from fractions import Fraction

from otto.types import words
from otto.types.base import SpokenText
from otto.types.words import END, Value, read_number

_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
_LIMIT = 3_650 * _DAY  # ten years, in seconds

_SPELLINGS = {
    1: "second seconds sec secs s", _MINUTE: "minute minutes min mins m minuets minuts mintues minites",
    _HOUR: "hour hours hr hrs h",
    _DAY: "day days d", 7 * _DAY: "week weeks wk wks", 14 * _DAY: "fortnight fortnights",
}  # fmt: skip
_UNITS = {word: seconds for seconds, spellings in _SPELLINGS.items() for word in spellings.split()}
_HINT = re.compile(r"sec|min|hour|day|week|fortnight|h|wk|[0-9] ?[smd]")
_CLOCK = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-5][0-9])(?: ?(minutes?|mins?|hours?|hrs?))?")
_HEDGES = re.compile(
    r"^(?:(?:for|about|around|approximately|roughly|exactly|just|maybe|like|another|um|uh) )+| (?:or so|please)$"
)
_STRETCHES = {"more", "full", "whole", "good", "solid", "extra", "additional", "further", "little"}


class Duration(SpokenText):
    """A length of time: "five minutes", "two and a half hours", "an hour and a quarter", "90s", "1h30m"."""

    __slots__ = ()
    description = "a duration such as '2 hours 30 minutes'"
    samples = (
        "five minutes", "a minute", "ninety seconds", "half an hour", "an hour and a half", "two and a half hours",
        "three quarters of an hour", "an hour and fifteen minutes", "one hour", "twenty-five minutes",
        "a quarter of an hour",
        "two hours and ten minutes", "forty five seconds", "a couple of minutes", "three days", "a week",
        "one minute thirty", "a hundred and twenty seconds", "5 min", "90 seconds", "10 minutes", "1 hour 30 minutes",
        "45 mins",
        "2 hours", "1.5 hours", "20 secs", "12 hours", "3 minutes 20 seconds", "1h30m",
    )  # fmt: skip
    _SECONDS = r"(1 second|([2-9]|[1-5][0-9]) seconds|([0-9]|[1-5][0-9])\.[0-9]{0,2}[1-9] seconds)"
    _MINUTES = r"(1 minute|([2-9]|[1-5][0-9]) minutes)"
    _HOURS = r"(1 hour|([2-9]|1[0-9]|2[0-3]) hours)"
    _DAYS = r"(1 day|([2-9]|[1-9][0-9]{1,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-4][0-9]) days)"
    pattern = (
        f"({_DAYS}( {_HOURS})?( {_MINUTES})?( {_SECONDS})?|{_HOURS}( {_MINUTES})?( {_SECONDS})?"
        f"|{_MINUTES}( {_SECONDS})?|{_SECONDS})"
    )

    @property
    def seconds(self) -> float:
        """The whole length in seconds."""
        parts = self.split()
        return sum(float(count) * _UNITS[unit] for count, unit in zip(parts[::2], parts[1::2], strict=True))

    @property
    def timedelta(self) -> datetime.timedelta:
        """The whole length as Python's own type."""
        return datetime.timedelta(seconds=self.seconds)

    @classmethod
    def normalise(cls, said: str) -> str | None:
        """The canonical text, "1 hour 30 minutes", or None."""
        text = words.plain(said).strip(" .,!?'\"")
        clock = _CLOCK.fullmatch(text)
        seconds = _clock_seconds(clock) if clock else _spoken_seconds(text)
        return _printed(seconds) if seconds else None

    @classmethod
    def jsgf(cls) -> str:
        """Rules of the durations that people say."""
        return (
            "<Duration> = <Duration_seconds> | <Duration_minutes> [[and] <Duration_seconds>]"
            " | <Duration_hours> [[and] <Duration_minutes>] | <Duration_days>"
            " | (one | an) hour and a half | <Duration_99> and a half (hours | minutes) | a couple of (hours | minutes)"
            " | half an hour | half a minute | [a] quarter of an hour | three quarters of an hour | an hour and a"
            " quarter"
            " | a minute and a half | a day and a half;\n"
            "<Duration_seconds> = <Duration_999> seconds | (one | a) second;\n"
            "<Duration_minutes> = <Duration_999> minutes | (one | a) minute;\n"
            "<Duration_hours> = <Duration_99> hours | (one | an) hour;\n"
            "<Duration_days> = <Duration_99> (days | weeks) | (one | a) (day | week) | a fortnight;\n"
        ) + words.jsgf_numbers("Duration")


def _clock_seconds(clock: re.Match[str]) -> int | None:
    """1:30:00, or 1:30 where the unit of its first part is said."""
    hours, minutes, seconds, unit = clock.groups()
    if hours is not None:
        return None if int(minutes) > 59 else int(hours) * _HOUR + int(minutes) * _MINUTE + int(seconds)
    if unit is None:
        return None
    return int(minutes) * _UNITS[unit] + int(seconds) * (_UNITS[unit] // 60)


def _spoken_seconds(text: str) -> Value | None:
    text = _HEDGES.sub("", text)
    if not _HINT.search(text):
        return None
    tokens = [token for token in words.tokens_of(text) if token not in _STRETCHES and token != "'"]
    total: Value = 0
    at, last = 0, _LIMIT
    while tokens[at] != END:
        start = at if at == 0 else _past_joint(tokens, at)
        part = _read_part(tokens, start) or (_read_tail(tokens, start, last) if at else None)
        if part is None or part[1] >= last:
            return None
        total, last, at = total + part[0], part[1], part[2]
    return total


def _past_joint(tokens: Sequence[str], at: int) -> int:
    at += tokens[at] == ","
    return at + (tokens[at] in ("and", "plus", "with", "&"))


def _read_part(tokens: Sequence[str], at: int) -> tuple[Value, int, int] | None:
    """A number and its unit → seconds, the unit in seconds, the position after."""
    read = read_number(tokens, at)
    if read is None:
        bare = tokens[at] in ("hour", "minute", "day", "week") and tokens[at + 1] == "and"  # "hour and a half"
        return (_UNITS[tokens[at]], _UNITS[tokens[at]], at + 1) if bare else None
    value, at = read
    if 0 < value < 1:
        at += tokens[at] == "of"
        at += tokens[at] in ("a", "an", "one", "the")
    unit = _UNITS.get(tokens[at].removesuffix("'s"))
    return (value * unit, unit, at + 1) if unit else None


def _read_tail(tokens: Sequence[str], at: int, unit: int) -> tuple[Value, int, int] | None:
    """What follows a unit without one of its own: "an hour and a half", "an hour and fifteen", "1h30"."""
    read = read_number(tokens, at)
    if read is None or tokens[read[1]] != END or (tokens[at] in ("a", "an") and read[0] == 1):
        return None
    if 0 < read[0] < 1:
        return read[0] * unit, 0, read[1]
    if unit in (_HOUR, _MINUTE) and read[0].denominator == 1 and 0 < read[0] < 60:
        return read[0] * unit // 60, 0, read[1]
    return None


def _printed(length: Value) -> str | None:
    milliseconds = round(length * 1000)
    if not 0 < milliseconds < _LIMIT * 1000:
        return None
    rest, fraction = divmod(milliseconds, 1000)
    parts = []
    for name, unit in (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE)):
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count} {name}" + "s" * (count != 1))
    if rest or fraction:
        count_text = words.digits(rest + Fraction(fraction, 1000))
        parts.append(f"{count_text} second" + "s" * (count_text != "1"))
    return " ".join(parts)
