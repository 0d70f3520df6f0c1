"""Date: a day as it is said. What is relative stays relative until it is resolved against a today."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Callable, Sequence

from otto.types import words
from otto.types.base import SpokenText
from otto.types.words import ARTICLES, END, SMALL, TENS, read_number

_MONTHS = (
    "january february march april may june july august september october november december"
).split()
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTH_OF = {name: number for number, name in enumerate(_MONTHS, 1)}
_MONTH_OF |= {name[:3]: number for name, number in _MONTH_OF.items()} | {"sept": 9}
_WEEKDAY_OF = {name: name for name in _WEEKDAYS} | {name[:3]: name for name in _WEEKDAYS}
_WEEKDAY_OF |= {"tues": "tuesday", "weds": "wednesday", "thur": "thursday", "thurs": "thursday"}
_DAYS_IN = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_UNIT_OF = {form: unit for unit in ("day", "week", "month", "year", "workday") for form in (unit, f"{unit}s")}

_ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
        " fifteenth"
        " sixteenth seventeenth eighteenth nineteenth twentieth".split(),
        1,
    )
} | {"thirtieth": 30, "therd": 3, "forth": 4, "fith": 5, "nineth": 9, "twelvth": 12}

_FIXED_FEASTS = {
    "christmas": "december 25", "christmas day": "december 25", "xmas": "december 25", "xmas day": "december 25",
    "christmas eve": "december 24", "xmas eve": "december 24", "boxing day": "december 26",
    "st stephen's day": "december 26",
    "new year's eve": "december 31", "new years eve": "december 31", "new year's": "january 1",
    "new years": "january 1",
    "new year's day": "january 1", "new years day": "january 1", "new year": "january 1", "new year day": "january 1",
    "new year eve": "december 31", "hogmanay": "december 31", "epiphany": "january 6", "groundhog day": "february 2",
    "valentine's day": "february 14", "valentines day": "february 14", "valentine's": "february 14",
    "valentines": "february 14",
    "valentine day": "february 14", "st valentine's day": "february 14", "leap day": "february 29",
    "women's day": "march 8", "international women's day": "march 8", "pi day": "march 14",
    "st patrick's day": "march 17", "st patricks day": "march 17", "saint patrick's day": "march 17",
    "st paddy's day": "march 17",
    "april fools' day": "april 1", "april fool's day": "april 1", "april fools day": "april 1",
    "april fools": "april 1",
    "earth day": "april 22", "st george's day": "april 23", "may day": "may 1", "star wars day": "may 4",
    "cinco de mayo": "may 5", "juneteenth": "june 19", "canada day": "july 1", "independence day": "july 4",
    "bastille day": "july 14", "halloween": "october 31", "hallowe'en": "october 31", "all saints' day": "november 1",
    "all saints day": "november 1", "all souls' day": "november 2", "all souls day": "november 2",
    "guy fawkes night": "november 5",
    "guy fawkes day": "november 5", "bonfire night": "november 5", "veterans day": "november 11",
    "veteran's day": "november 11",
    "armistice day": "november 11", "st andrew's day": "november 30", "st nicholas day": "december 6",
    "anzac day": "april 25",
    "australia day": "january 26", "burns night": "january 25", "labour day": "may 1",
    "midsummer": "june 24", "midsummer's day": "june 24", "midsummer day": "june 24",
    "first day of spring": "march 20", "spring equinox": "march 20", "first day of summer": "june 21",
    "summer solstice": "june 21",
    "first day of autumn": "september 22", "first day of fall": "september 22", "autumn equinox": "september 22",
    "first day of winter": "december 21", "winter solstice": "december 21",
}  # fmt: skip
_MOVABLE = (
    "easter", "good friday", "easter monday", "ash wednesday", "shrove tuesday", "palm sunday", "ascension day",
    "pentecost",
    "thanksgiving", "black friday", "cyber monday", "mother's day", "father's day", "labor day", "memorial day",
    "martin luther king day", "presidents' day", "columbus day", "election day",
)  # fmt: skip
_MOVABLE_SAID = {name: name for name in _MOVABLE} | {name.replace("'", ""): name for name in _MOVABLE}
_MOVABLE_SAID |= {
    "easter sunday": "easter", "easter day": "easter", "pancake day": "shrove tuesday", "mardi gras": "shrove tuesday",
    "whit sunday": "pentecost", "thanksgiving day": "thanksgiving", "mlk day": "martin luther king day",
    "president's day": "presidents' day", "mothers' day": "mother's day", "fathers' day": "father's day",
}  # fmt: skip
_NAMED_DAYS = {
    "today": "today", "tonight": "today", "now": "today", "this day": "today", "tomorrow": "tomorrow",
    "tmrw": "tomorrow",
    "tomorow": "tomorrow", "tommorow": "tomorrow", "tommorrow": "tomorrow", "yesterday": "yesterday",
    "today week": "in 1 week", "tomorrow week": "in 8 days", "todays": "today", "today's": "today",
    "tomorrow's": "tomorrow",
    "tomorrows": "tomorrow", "yesterday's": "yesterday", "yesterdays": "yesterday",
    "day after tomorrow": "in 2 days", "overmorrow": "in 2 days", "day before yesterday": "2 days ago",
}  # fmt: skip

_LEAD = re.compile(r"^(?:(?:on|for|by|at|the date of|the day of|date of|um|uh|like)\s+)+")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_THE = re.compile(r"\bthe\s+")
_TAIL = re.compile(r"\s+(?:please|exactly|morning|afternoon|evening|night)$")
_WORKDAY = re.compile(r"\b(?:working|business|work|week) day(?=s?\b)|\bweekday(?=s?\b)")
_ISO = re.compile(r"([12][0-9]{3})-([01]?[0-9])-([0-3]?[0-9])")
_NUMERIC = re.compile(r"([0-3]?[0-9])([./])([0-3]?[0-9])(?:[./]([12][0-9]{3}))?\.?")
_HINT_WORDS = frozenset(
    {*_MONTH_OF, *_WEEKDAY_OF, *_UNIT_OF, *_ORDINALS, "fortnight", "fortnights"}
    | {word for said in (*_FIXED_FEASTS, *_MOVABLE_SAID, *_NAMED_DAYS) for word in said.split()}
)
_HINT_DIGITS = re.compile(r"[0-9](?:st|nd|rd|th|[-/.][0-9])")


class Date(SpokenText):
    """A day: "the third of march" is `march 3`, "a week from today" is `in 1 week`, "christmas" is `december 25`.

    `friday` is the next one on or after today; `next friday` is that of the calendar week after this one (weeks begin
    on Monday), `last friday` the latest one before today. A day of the year without a year is the next one on or after
    today.
    """

    __slots__ = ()
    description = "a day such as 'tomorrow', 'next friday', 'in 3 weeks' or 'december 24'"
    samples = (
        "today", "tomorrow", "yesterday", "friday", "next friday", "in three weeks", "christmas", "the third of march",
        "december 24", "march 3rd", "a week from today", "the day after tomorrow", "new year's eve", "last monday",
        "in 10 days",
        "two days ago", "this saturday", "the fourth of july", "halloween", "2026-12-24", "the 21st of june 2027",
        "next tuesday",
        "in a month", "june twenty first", "easter", "valentine's day", "august 12 2027", "three weeks from now",
        "the 15th",
    )  # fmt: skip

    def resolve(self, today: datetime.date) -> datetime.date:
        """The day that is meant when it is said on `today`."""
        parts = self.split()
        if self in _OFFSETS:
            return today + datetime.timedelta(days=_OFFSETS[self])
        if parts[0] == "in" or (parts[-1] == "ago" and parts[0] not in _WEEKDAYS):
            count, unit = parts[1:3] if parts[0] == "in" else parts[:2]
            return _shifted(today, int(count) * (1 if parts[0] == "in" else -1), _UNIT_OF[unit])
        if parts[-1] in _WEEKDAYS and len(parts) <= 2 and parts[0] in (*_WEEKDAYS, "next", "last"):
            return _resolved_weekday(parts, today)
        if parts[-1] == "ago":  # friday 2 weeks ago
            monday = today - datetime.timedelta(days=today.weekday())
            return monday + datetime.timedelta(days=_WEEKDAYS.index(parts[0]), weeks=-int(parts[1]))
        if parts[0] in _WEEKDAYS:  # friday in 2 weeks
            return _resolved_weekday(parts[:1], today) + datetime.timedelta(weeks=int(parts[2]))
        if parts[0] in _WHICH:
            return _resolved_nth(parts, today)
        if parts[0] in _MONTH_OF:
            return _resolved_day(_MONTH_OF[parts[0]], int(parts[1]), parts[2:], today)
        if parts[0] == "day" and len(parts) > 2:
            month = _shifted(today.replace(day=1), 1, "month")
            return month.replace(day=min(int(parts[1]), calendar.monthrange(month.year, month.month)[1]))
        if parts[0] == "day":
            return _first(today, lambda year, month: _day_of(year, month, int(parts[1])))
        year = int(parts[-1]) if parts[-1].isdigit() else None
        name = " ".join(parts[:-1]) if year else str(self)
        return _feast(name, year) if year else _next_year(today, lambda year: _feast(name, year))

    @classmethod
    def normalise(cls, said: str) -> str | None:
        """The canonical text, or None."""
        text = said.lower().replace("’", "'").strip(" .,?!\"'")
        numeric = _numeric(text)
        if numeric:
            return numeric
        if not _HINT_WORDS.intersection(_WORD.findall(text)) and not _HINT_DIGITS.search(text):
            return None
        text = " ".join(words.plain(text).replace(",", " ").replace(".", " ").split())
        text = _LEAD.sub("", _THE.sub("", _LEAD.sub("", text)))
        text = text if text in _FIXED_FEASTS else _WORKDAY.sub("workday", _TAIL.sub("", text))
        return _NAMED_DAYS.get(text) or _feast_said(text) or _spoken(words.tokens_of(text))

    @classmethod
    def jsgf(cls) -> str:
        """Rules of the days that people say."""
        feasts = [name for name in (*_FIXED_FEASTS, *_MOVABLE) if "'" not in name]
        ordinals = " | ".join([*list(_ORDINALS)[:20], "thirtieth"])
        return (
            "<Date> = today | tomorrow | yesterday | the day after tomorrow | the day before yesterday | [next |"
            " last | this]"
            " <Date_weekday> | in <Date_count> | <Date_count> (ago | from (now | today)) | next (week | month | year)"
            " | <Date_feast> | [the] <Date_short> of <Date_month> | <Date_month> [the] <Date_short>;\n"
            f"<Date_weekday> = {' | '.join(_WEEKDAYS)};\n"
            f"<Date_month> = {' | '.join(_MONTHS)};\n"
            "<Date_count> = <Date_99> (days | weeks | months | years) | (a | one) (day | week | month | year);\n"
            f"<Date_feast> = {' | '.join(dict.fromkeys(feasts))};\n"
            f"<Date_short> = {ordinals} | twenty (first | second | third | fourth | fifth | sixth | seventh |"
            " eighth);\n"
        ) + words.jsgf_numbers("Date")


_OFFSETS = {"today": 0, "tomorrow": 1, "yesterday": -1}
_MAX_COUNT = 999
_WHICH = ("first", "second", "third", "fourth", "last")


def _build_pattern() -> str:
    leap = "([12][0-9](0[48]|[2468][048]|[13579][26])|1[26]00|2[048]00)"
    year, day30 = "( [12][0-9]{3})?", "([1-9]|[12][0-9]|30)"
    long = "|".join(name for name, days in zip(_MONTHS, _DAYS_IN, strict=True) if days == 31)
    short = "|".join(name for name, days in zip(_MONTHS, _DAYS_IN, strict=True) if days == 30)
    weekday = f"({'|'.join(_WEEKDAYS)})"
    count = "(1 (day|week|month|year|workday)|([2-9]|[1-9][0-9]{1,2}) (days|weeks|months|years|workdays))"
    weeks = "(1 week|([2-9]|[1-9][0-9]) weeks)"
    return (
        f"(today|tomorrow|yesterday|((next|last) )?{weekday}|{weekday} in {weeks}|{weekday} {weeks} ago"
        f"|({'|'.join(_WHICH)}) (day|{'|'.join(_WEEKDAYS)}) of ((this|next|last) month|({'|'.join(_MONTHS)}){year})"
        f"|in {count}|{count} ago|({long}) ({day30}|31){year}|({short}) {day30}{year}"
        f"|february ([1-9]|1[0-9]|2[0-8]){year}|february 29( {leap})?"
        f"|day ({day30}|31)( of next month)?|({'|'.join(_MOVABLE)}){year})"
    )


Date.pattern = _build_pattern()


def _numeric(text: str) -> str | None:
    """2026-12-24, 24.12.2026, 12/24/2026; the month stands first before slashes where both orders would do."""
    iso = _ISO.fullmatch(text)
    if iso:
        return _written(int(iso[2]), int(iso[3]), int(iso[1]))
    read = _NUMERIC.fullmatch(text)
    if read is None or (read[4] is None and int(read[1]) <= 12 and int(read[3]) <= 12):
        return None
    one, two = int(read[1]), int(read[3])
    day, month = (two, one) if (read[2] == "/" and one <= 12) or two > 12 else (one, two)
    return _written(month, day, int(read[4]) if read[4] else None)


def _written(month: int, day: int, year: int | None) -> str | None:
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS_IN[month - 1]:
        return None
    if month == 2 and day == 29 and year is not None and not calendar.isleap(year):
        return None
    return f"{_MONTHS[month - 1]} {day}" + (f" {year}" if year is not None else "")


def _feast_said(text: str) -> str | None:
    name = re.sub(r"^(?:next|this|coming|upcoming) (?!friday$)", "", text)
    name, _, last = name.rpartition(" ") if re.fullmatch(r".* [12][0-9]{3}", name) else (name, "", "")
    name = name.removesuffix(" this year").removesuffix(" of").removesuffix(" in")
    fixed = _FIXED_FEASTS.get(name)
    if fixed:
        return _written(_MONTH_OF[fixed.split()[0]], int(fixed.split()[1]), int(last) if last else None)
    movable = _MOVABLE_SAID.get(name)
    return f"{movable} {last}".strip() if movable else None


def _spoken(tokens: Sequence[str]) -> str | None:
    for read in (_nth_weekday, _weekday, _relative, _month_first, _day_first, _day_alone):
        canonical = read(tokens)
        if canonical:
            return canonical
    return None


def _weekday(tokens: Sequence[str]) -> str | None:
    which = tokens[0] if tokens[0] in ("next", "last", "this", "coming", "upcoming", "past") else ""
    at = 1 if which else 0
    at += tokens[at] in ("coming", "upcoming", "past")
    day = _WEEKDAY_OF.get(tokens[at])
    if day is None:
        return None
    if tokens[at + 1] == "week" and not which:
        return f"{day} in 1 week" if tokens[at + 2] == END else None
    if tokens[at + 1 : -1] in (["next", "week"], ["of", "next", "week"]) and not which:
        return f"next {day}"
    if tokens[at + 1 : -1] == ["after", "next"]:
        return f"{day} in 1 week"
    ahead = int(tokens[at + 1] == "in")
    weeks = None if which else _count(tokens, at + 1 + ahead)
    if weeks and weeks[1] == "week" and weeks[0] < 100:
        if ahead and tokens[weeks[2]] == END:
            return _weekday_in(day, weeks[0])
        if not ahead and tokens[weeks[2] : -1] == ["ago"]:
            return _weekday_ago(day, weeks[0])
    if tokens[at + 1] != END:
        return _month_first(tokens[at + 1 :]) or _day_first(tokens[at + 1 :])
    return f"next {day}" if which == "next" else f"last {day}" if which in ("last", "past") else day


def _relative(tokens: Sequence[str]) -> str | None:
    """ "in 3 weeks", "two days ago", "a week from today", "a week on friday", "next month"."""
    if tokens[0] in ("next", "last") and tokens[2:] == [END] and tokens[1] in _UNIT_OF:
        return _counted(1, _UNIT_OF[tokens[1]], past=tokens[0] == "last")
    forced = tokens[0] in ("in", "within", "after")
    several = read_number(tokens, 0)
    if several and tokens[several[1]].removesuffix("s") in _WEEKDAYS and tokens[several[1] + 1 : -1] == ["from", "now"]:
        return _weekday_in(tokens[several[1]].removesuffix("s"), int(several[0]) - 1)
    read = _count(tokens, int(forced))
    if read is None:
        return None
    count, unit, at = read
    rest = tokens[at:-1]
    if rest in (["ago"], ["before", "today"], ["back"], ["earlier"]):
        return _counted(count, unit, past=True)
    if (not rest and forced) or " ".join(rest) in ("from now", "from today", "after today", "time", "hence", "later"):
        return _counted(count, unit)
    days = {"day": 1, "week": 7}.get(unit)
    if rest[:1] in (["from"], ["after"], ["on"], ["before"]) and len(rest) == 2:
        if rest[1] in ("tomorrow", "yesterday") and days:
            total = (-1 if rest[0] == "before" else 1) * count * days + _OFFSETS[rest[1]]
            return _counted(abs(total), "day", past=total < 0) if total else "today"
        if rest[1] in _WEEKDAY_OF and unit == "week" and rest[0] != "before":
            return _weekday_in(_WEEKDAY_OF[rest[1]], count)
    if len(rest) >= 2 and rest[0] == "ago" and rest[-1] in _WEEKDAY_OF and unit == "week" and count < 100:
        return _weekday_ago(_WEEKDAY_OF[rest[-1]], count) if rest[1:-1] in ([], ["on"]) else None
    return None


def _weekday_ago(day: str, weeks: int) -> str:
    return f"{day} {weeks} week" + "s" * (weeks > 1) + " ago"


def _weekday_in(day: str, weeks: int) -> str | None:
    if weeks == 0:
        return day
    return f"{day} in {weeks} week" + "s" * (weeks > 1) if 0 < weeks < 100 else None


def _nth_weekday(tokens: Sequence[str]) -> str | None:
    """ "last friday of this month", "first monday in september", "end of next month"."""
    if tokens[0] == "end" and tokens[1] == "of":
        tokens = ["last", "day", *tokens[1:]]
    which = {**_ORDINALS, "last": 5}.get(tokens[0], 0)
    day = "day" if tokens[1] == "day" else _WEEKDAY_OF.get(tokens[1])
    if not 1 <= which <= 5 or day is None or (tokens[0] != "last" and which == 5) or tokens[2] not in ("of", "in"):
        return None
    rest = tokens[3:-1]
    if rest in (["month"], ["this", "month"], ["next", "month"], ["last", "month"]):
        return f"{_WHICH[which - 1]} {day} of {rest[0] if len(rest) == 2 else 'this'} month"
    month = _MONTH_OF.get(rest[0]) if rest else None
    dated = _with_year(month, 1, tokens, 4) if month else None
    return f"{_WHICH[which - 1]} {day} of {dated.replace(' 1', '', 1)}" if dated else None


def _count(tokens: Sequence[str], at: int) -> tuple[int, str, int] | None:
    """A number and a unit: "three weeks", "a fortnight", "a couple of days", "two weeks'"."""
    read = read_number(tokens, at)
    if read is None or read[0].denominator != 1:
        return None
    word = tokens[read[1]].removesuffix("'s")
    after = read[1] + 1 + (tokens[read[1] + 1] == "'" if tokens[read[1]] != END else 0)
    count = int(read[0])
    if word in ("fortnight", "fortnights"):
        return count * 2, "week", after
    return (count, _UNIT_OF[word], after) if word in _UNIT_OF and 0 < count <= _MAX_COUNT else None


def _counted(count: int, unit: str, past: bool = False) -> str | None:
    if not 0 < count <= _MAX_COUNT:
        return None
    text = f"{count} {unit}" + "s" * (count > 1)
    return f"{text} ago" if past else f"in {text}"


def _month_first(tokens: Sequence[str]) -> str | None:
    month = _MONTH_OF.get(tokens[0])
    day = _read_day(tokens, 1) if month else None
    return _with_year(month, day[0], tokens, day[1]) if month and day else None


def _day_first(tokens: Sequence[str]) -> str | None:
    day = _read_day(tokens, 0)
    if day is None:
        return None
    at = day[1] + (tokens[day[1]] == "day") if tokens[day[1]] != END else day[1]
    at += tokens[at] in ("of", "in")
    month = _MONTH_OF.get(tokens[at])
    return _with_year(month, day[0], tokens, at + 1) if month else None


def _day_alone(tokens: Sequence[str]) -> str | None:
    said_as_day = int(tokens[0] == "day" and tokens[1].isdigit())
    day = _read_day(tokens, said_as_day)
    ordinal = day and (said_as_day or tokens[day[1] - 1] in _ORDINALS or tokens[day[1] - 1][-1:] in ("t", "d", "h"))
    if day and ordinal and tokens[day[1] : -1] == ["of", "next", "month"]:
        return f"day {day[0]} of next month" if 1 <= day[0] <= 31 else None
    if not day or not ordinal or tokens[day[1] : -1] not in ([], ["of", "this", "month"], ["of", "month"]):
        return None
    return f"day {day[0]}" if 1 <= day[0] <= 31 else None


def _read_day(tokens: Sequence[str], at: int) -> tuple[int, int] | None:
    word = tokens[at]
    if word in _ORDINALS:
        return _ORDINALS[word], at + 1
    if word in TENS:
        follower = tokens[at + 1]
        unit = _ORDINALS.get(follower, 0) if _ORDINALS.get(follower, 10) < 10 else SMALL.get(follower, 0)
        number = re.fullmatch(r"([1-9])(?:st|nd|rd|th)?", follower)
        unit = int(number[1]) if number else unit if unit < 10 else 0
        return (TENS[word] + unit, at + 2) if unit else (TENS[word], at + 1)
    if word in SMALL:
        return SMALL[word], at + 1
    number = re.fullmatch(r"([0-9]{1,2})(?:st|nd|rd|th)?", word)
    return (int(number[1]), at + 1) if number else None


def _with_year(month: int, day: int, tokens: Sequence[str], at: int) -> str | None:
    at += tokens[at] in ("in", "of")
    if tokens[at] == END or tokens[at:] == ["this", "year", END]:
        return _written(month, day, None)
    year = _read_year(tokens, at)
    return _written(month, day, year) if year else None


def _read_year(tokens: Sequence[str], at: int) -> int | None:
    """ "2026", "twenty twenty six", "nineteen eighty four", "two thousand and five", to the end."""
    if re.fullmatch("[12][0-9]{3}", tokens[at]):
        return int(tokens[at]) if tokens[at + 1] == END else None
    century, rest = _read_day(tokens, at), None
    if century and 10 <= century[0] <= 29 and tokens[century[1]] != END:
        at_rest = century[1] + (tokens[century[1]] in ("oh", "o"))
        rest = _read_day(tokens, at_rest)
    if century and rest and tokens[rest[1]] == END and rest[0] < 100:
        return century[0] * 100 + rest[0]
    whole = read_number(tokens, at)
    if whole and tokens[whole[1]] == END and tokens[at] not in ARTICLES and 1000 <= whole[0] < 3000:
        return int(whole[0])
    return None


def _shifted(day: datetime.date, count: int, unit: str) -> datetime.date:
    if unit == "workday":
        for _ in range(abs(count)):
            day += datetime.timedelta(days=1 if count > 0 else -1)
            while day.weekday() > 4:
                day += datetime.timedelta(days=1 if count > 0 else -1)
        return day
    if unit in ("day", "week"):
        return day + datetime.timedelta(days=count * (7 if unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    return datetime.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _resolved_weekday(parts: Sequence[str], today: datetime.date) -> datetime.date:
    wanted = _WEEKDAYS.index(parts[-1])
    if parts[0] == "next":
        return today + datetime.timedelta(days=7 - today.weekday() + wanted)
    if parts[0] == "last":
        return today - datetime.timedelta(days=(today.weekday() - wanted - 1) % 7 + 1)
    return today + datetime.timedelta(days=(wanted - today.weekday()) % 7)


def _resolved_day(month: int, day: int, year: Sequence[str], today: datetime.date) -> datetime.date:
    if year:
        return datetime.date(int(year[0]), month, day)
    return _next_year(today, lambda year: _day_of(year, month, day))


def _day_of(year: int, month: int, day: int) -> datetime.date | None:
    return datetime.date(year, month, day) if day <= calendar.monthrange(year, month)[1] else None


def _next_year(today: datetime.date, day_in: Callable[[int], datetime.date | None]) -> datetime.date:
    """The first such day on or after today; 29 february can be eight years off."""
    days = (day_in(year) for year in range(today.year, today.year + 9))
    return next(day for day in days if day and day >= today)


def _resolved_nth(parts: Sequence[str], today: datetime.date) -> datetime.date:
    """ "first monday of september 2027", "last day of next month"."""

    def day_in(year: int, month: int) -> datetime.date:
        weeks = calendar.monthcalendar(year, month)
        days = [day for week in weeks for at, day in enumerate(week) if day and parts[1] in ("day", _WEEKDAYS[at])]
        return datetime.date(year, month, days[-1 if parts[0] == "last" else _WHICH.index(parts[0])])

    if parts[-1] == "month":
        month = _shifted(today.replace(day=1), {"last": -1, "this": 0, "next": 1}[parts[3]], "month")
        return day_in(month.year, month.month)
    number = _MONTH_OF[parts[3]]
    return day_in(int(parts[4]), number) if len(parts) > 4 else _next_year(today, lambda year: day_in(year, number))


def _first(today: datetime.date, day_in: Callable[[int, int], datetime.date | None]) -> datetime.date:
    months = (divmod(today.year * 12 + today.month - 1 + ahead, 12) for ahead in range(3))
    days = (day_in(year, month + 1) for year, month in months)
    return next(day for day in days if day and day >= today)


_FROM_EASTER = {
    "easter": 0, "good friday": -2, "easter monday": 1, "ash wednesday": -46, "shrove tuesday": -47, "palm sunday": -7,
    "ascension day": 39, "pentecost": 49,
}  # fmt: skip
# The United States' days: name → month, weekday (monday is 0), which one (-1 is the last), days after it
_NTH_WEEKDAY = {
    "thanksgiving": (11, 3, 4, 0), "black friday": (11, 3, 4, 1), "cyber monday": (11, 3, 4, 4), "mother's day": (5, 6,
    2, 0),
    "father's day": (6, 6, 3, 0), "labor day": (9, 0, 1, 0), "memorial day": (5, 0, -1, 0),
    "martin luther king day": (1, 0, 3, 0), "presidents' day": (2, 0, 3, 0), "columbus day": (10, 0, 2, 0),
    "election day": (11, 0, 1, 1),
}  # fmt: skip


def _feast(name: str, year: int) -> datetime.date:
    if name in _FROM_EASTER:
        return _easter(year) + datetime.timedelta(days=_FROM_EASTER[name])
    month, weekday, which, after = _NTH_WEEKDAY[name]
    days = [week[weekday] for week in calendar.monthcalendar(year, month) if week[weekday]]
    return datetime.date(year, month, days[which - 1 if which > 0 else which]) + datetime.timedelta(days=after)


def _easter(year: int) -> datetime.date:
    """Easter Sunday by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8)."""
    golden, century = year % 19, year // 100
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    to_sunday = (32 + 2 * (century % 4) + 2 * (year % 100 // 4) - epact - year % 100 % 4) % 7
    correction = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * correction + 114, 31)
    return datetime.date(year, month, day + 1)
