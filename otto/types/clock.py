"""Time: a time of day as it is said."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from otto.types import words
from otto.types.base import SpokenText
from otto.types.words import END, SMALL, TENS

_DIGITAL = re.compile(r"([01]?[0-9]|2[0-3]|24(?=[:.h]00))[:.h]([0-5][0-9])(?::00)?")
_MILITARY = re.compile(r"([01]?[0-9]|2[0-3])([0-5][0-9])(?: ?(?:hours|hrs?|h))?")
_LEAD = re.compile(r"^(?:(?:at|by|for|about|around|exactly|precisely|say|like|um|uh|the)\s+)+")
_TAIL = re.compile(r"\s+(?:sharp|exactly|on the dot|please|precisely|or so|ish)$")
_HALF = {
    r"a\.? ?m\.?|in the (?:early )?morning|(?:tomorrow |this |early )?morning|early": "morning",
    r"p\.? ?m\.?": "pm",
    r"(?:in the |this |tomorrow )?afternoon": "afternoon",
    r"(?:in the |this |tomorrow )?evening": "evening",
    r"(?:at |tomorrow )?night|in the night|tonight": "night",
}
_HALF_BEHIND = re.compile("(?:" + "|".join(f"(?P<_{name}>{said})" for said, name in _HALF.items()) + ")$")
_HALF_BEFORE = re.compile(
    "^(?:" + "|".join(f"(?P<_{name}>{said})" for said, name in _HALF.items() if name != "pm") + r") at (?=\S)"
)
_FIXED = {
    "noon": (12, 0), "midday": (12, 0), "midnight": (0, 0), "noontime": (12, 0), "twelve noon": (12, 0), "12 noon": (12,
    0),
    "twelve midnight": (0, 0), "12 midnight": (0, 0), "half past noon": (12, 30), "half past midnight": (0, 30),
}  # fmt: skip
_STEPS = {"quarter": 15, "half": 30}


class Time(SpokenText):
    """A time of day: "half past six" is `06:30`, "quarter to eight in the evening" is `19:45`.

    Where neither half of the day is said it is read as on a 24-hour clock: "seven" is `07:00`, "twelve" is `12:00`.
    """

    __slots__ = ()
    description = "a time of day such as '07:30'"
    pattern = "([01][0-9]|2[0-3]):[0-5][0-9]"
    samples = (
        "7 am", "half past six", "quarter to eight in the evening", "noon", "19:30", "six thirty", "seven o'clock",
        "ten to nine",
        "twenty past four in the afternoon", "5 pm", "6:45", "five in the morning", "midnight", "eight fifteen",
        "6:30 am",
        "nine o'clock at night", "quarter past seven", "11:20 pm", "half eight", "four pm", "twenty two thirty", "5:05",
        "seven am", "ten thirty p.m.", "twelve fifteen", "0630", "six oh five", "a quarter to six",
    )  # fmt: skip

    @property
    def hour(self) -> int:
        return int(self[:2])

    @property
    def minute(self) -> int:
        return int(self[3:])

    def next(self, now: datetime.datetime) -> datetime.datetime:
        """The first moment after `now` that has this time of day."""
        moment = now.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return moment if moment > now else moment + datetime.timedelta(days=1)

    @classmethod
    def normalise(cls, said: str) -> str | None:
        """The canonical text "HH:MM", or None."""
        text = _TAIL.sub("", _LEAD.sub("", words.plain(said).strip(" ,?!'\"")))
        text, half = _without_half(text)
        read = _FIXED.get(text) if half is None or text.startswith(("12", "twelve")) else None
        read = read or _digital(text) or _spoken([token for token in words.tokens_of(text) if token not in ("'", ".")])
        if read is None:
            return None
        hour = _placed(read[0], half)
        return f"{hour:02}:{read[1]:02}" if hour is not None else None

    @classmethod
    def jsgf(cls) -> str:
        """Rules of the times of day that people say."""
        hours = " | ".join([*list(SMALL)[1:13]])
        return (
            "<Time> = (<Time_hour> [o'clock | <Time_minute> | oh <Time_unit>] | half past <Time_hour>"
            " | [a] quarter (past | to) <Time_hour> | (five | ten | twenty | twenty five) (past | to) <Time_hour>)"
            " [<Time_half>] | noon | midday | midnight;\n"
            f"<Time_hour> = {hours};\n"
            "<Time_minute> = ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen | eighteen"
            " | nineteen"
            " | (twenty | thirty | forty | fifty) [<Time_unit>];\n"
            f"<Time_unit> = {' | '.join(list(SMALL)[1:10])};\n"
            "<Time_half> = a m | p m | in the (morning | afternoon | evening) | at night;\n"
        )


def _without_half(text: str) -> tuple[str, str | None]:
    """What is said without the half of the day, and the half: "7 pm" → ("7", "pm")."""
    behind = _HALF_BEHIND.search(text)
    if behind and behind.lastgroup and behind.start():
        before = text[: behind.start()]
        if before[-1] in " 0123456789,." or before.endswith("'clock"):
            return before.rstrip(" ,."), behind.lastgroup[1:]
    ahead = _HALF_BEFORE.match(text)
    if ahead and ahead.lastgroup:
        return text[ahead.end() :], ahead.lastgroup[1:]
    return text.rstrip(" ."), None


def _placed(hour: int, half: str | None) -> int | None:
    """The hour of 24, None where hour and half do not go together ("15 in the morning")."""
    if half is None or hour > 12:
        return None if half == "morning" else hour % 24
    if half == "morning":
        return hour % 12
    if half in ("pm", "afternoon") or (half == "evening" and hour < 12):
        return hour % 12 + 12
    return hour % 12 + 12 if half == "night" and 6 <= hour < 12 else hour % 12


def _digital(text: str) -> tuple[int, int] | None:
    read = _DIGITAL.fullmatch(text) or _MILITARY.fullmatch(text)
    return (int(read[1]), int(read[2])) if read else None


def _spoken(tokens: Sequence[str]) -> tuple[int, int] | None:
    if "o'clock" in tokens or "oclock" in tokens:
        tokens = [token for token in tokens if token not in ("o'clock", "oclock")]
        hour = _small(tokens, 0)
        return (hour[0], 0) if hour and tokens[hour[1]] == END and 1 <= hour[0] <= 24 else None
    return _relative(tokens) or _plain(tokens)


def _relative(tokens: Sequence[str]) -> tuple[int, int] | None:
    """ "twenty past four", "a quarter to eight", "half past six", "half six"."""
    at = int(tokens[0] == "a")
    step = _STEPS.get(tokens[at])
    minutes = (step, at + 1) if step else _small(tokens, at)
    if minutes is None or not 0 < minutes[0] < 60:
        return None
    at = minutes[1] + (tokens[minutes[1]] in ("minutes", "minute", "mins", "min"))
    word = tokens[at]
    later = word in ("past", "after") or (step == 30 and word != "to")
    if not later and word not in ("to", "till", "til", "until", "before", "of"):
        return None
    named = at + (word in ("past", "after", "to", "till", "til", "until", "before", "of"))
    fixed = _FIXED.get(tokens[named])
    hour = (fixed[0], named + 1) if fixed else _small(tokens, named)
    if hour is None or hour[0] > 24 or tokens[hour[1]] != END:
        return None
    return (hour[0], minutes[0]) if later else ((hour[0] - 1) % 24 if hour[0] != 1 else 12, 60 - minutes[0])


def _plain(tokens: Sequence[str]) -> tuple[int, int] | None:
    """ "seven", "six thirty", "six oh five", "oh six hundred", "eighteen hundred hours"."""
    at = int(tokens[0] in ("oh", "o", "zero") and tokens[1] != END)
    hour = _small(tokens, at)
    if hour is None or hour[0] > 24:
        return None
    at = hour[1]
    if tokens[at] == "hundred":
        at += 1 + (tokens[at + 1] == "hours")
        military = hour[0] >= 10 or tokens[0] in ("oh", "o", "zero") or tokens[at - 1] == "hours"
        return (hour[0], 0) if tokens[at] == END and military else None
    if tokens[at] == END:
        return hour[0], 0
    padded = int(tokens[at] in ("oh", "o", "zero"))
    minute = _small(tokens, at + padded)
    if minute is None or tokens[minute[1]] not in (END, "hours") or minute[0] > 59 or (minute[0] < 10) != bool(padded):
        return None
    return hour[0], minute[0]


def _small(tokens: Sequence[str], at: int) -> tuple[int, int] | None:
    """A whole number below a hundred."""
    word = tokens[at]
    if word in TENS:
        unit = SMALL.get(tokens[at + 1], 0)
        return (TENS[word] + unit, at + 2) if 0 < unit < 10 else (TENS[word], at + 1)
    if word in SMALL:
        return SMALL[word], at + 1
    return (int(word), at + 1) if word.isdigit() and word.isascii() and len(word) <= 2 else None
