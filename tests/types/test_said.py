"""What people say, and what it means: tables of accepted and refused values, each expectation written by hand."""

from __future__ import annotations

import datetime

import pytest

from otto.types import AppName, Date, Duration, Expression, Location, Number, SpokenType, Time

ACCEPTED: list[tuple[type[SpokenType], str, object]] = [
    # Duration
    (Duration, "five minutes", "5 minutes"),
    (Duration, "Two and a half hours.", "2 hours 30 minutes"),
    (Duration, "an hour and a half", "1 hour 30 minutes"),
    (Duration, "hour and a half", "1 hour 30 minutes"),
    (Duration, "an hour and fifteen", "1 hour 15 minutes"),
    (Duration, "one minute thirty", "1 minute 30 seconds"),
    (Duration, "three quarters of an hour", "45 minutes"),
    (Duration, "three-quarter hour", "45 minutes"),
    (Duration, "half an hour", "30 minutes"),
    (Duration, "a half hour", "30 minutes"),
    (Duration, "2½ hours", "2 hours 30 minutes"),
    (Duration, "1 1/2 hours", "1 hour 30 minutes"),
    (Duration, "1/2 hour", "30 minutes"),
    (Duration, "1:30:00", "1 hour 30 minutes"),
    (Duration, "1:30 minutes", "1 minute 30 seconds"),
    (Duration, "90s", "1 minute 30 seconds"),
    (Duration, "1h30m", "1 hour 30 minutes"),
    (Duration, "1h30", "1 hour 30 minutes"),
    (Duration, "90 minutes", "1 hour 30 minutes"),
    (Duration, "a couple of minutes", "2 minutes"),
    (Duration, "couple of minutes", "2 minutes"),
    (Duration, "half a dozen minutes", "6 minutes"),
    (Duration, "twenty 5 minutes", "25 minutes"),
    (Duration, "twenty-five-minute", "25 minutes"),
    (Duration, "a hundred and twenty seconds", "2 minutes"),
    (Duration, "a fortnight", "14 days"),
    (Duration, "a week and a half", "10 days 12 hours"),
    (Duration, "one hour, five minutes, and ten seconds", "1 hour 5 minutes 10 seconds"),
    (Duration, "about ten more minutes or so", "10 minutes"),
    (Duration, "0.5 seconds", "0.5 seconds"),
    (Duration, "a third of a second", "0.333 seconds"),
    (Duration, "twenty-four hours", "1 day"),
    (Duration, "3649 days", "3649 days"),
    # Number
    (Number, "five", 5),
    (Number, "twenty one", 21),
    (Number, "two point five", 2.5),
    (Number, "minus three", -3),
    (Number, "a hundred and five", 105),
    (Number, "three quarters", 0.75),
    (Number, "two and a half", 2.5),
    (Number, "1,250", 1250),
    (Number, "12,345,678.5", 12345678.5),
    (Number, "a", 1),
    (Number, "an", 1),
    (Number, "a dozen", 12),
    (Number, "half a million", 500_000),
    (Number, "half a", 0.5),
    (Number, "two point five million", 2_500_000),
    (Number, "three million two hundred thousand and seven", 3_200_007),
    (Number, "fifteen hundred", 1500),
    (Number, "two fifty", 250),
    (Number, "zero point oh five", 0.05),
    (Number, "point two five", 0.25),
    (Number, "1e-05", 0.00001),
    (Number, "-0", 0),
    # Expression
    (Expression, "three squared plus nine", "3 ** 2 + 9"),
    (Expression, "What's the square root of 144?", "sqrt(144)"),
    (Expression, "15 percent of 80", "15 / 100 * 80"),
    (Expression, "12*(3+4)", "12 * (3 + 4)"),
    (Expression, "(3)*((4))", "3 * 4"),
    (Expression, "half of 90", "90 / 2"),
    (Expression, "two thirds of ninety", "2 / 3 * 90"),
    (Expression, "1/3 of 153", "1 / 3 * 153"),
    (Expression, "2^10", "2 ** 10"),
    (Expression, "2x3", "2 * 3"),
    (Expression, "6 × 7 − 8 ÷ 2", "6 * 7 - 8 / 2"),
    (Expression, "seven times eight minus two", "7 * 8 - 2"),
    (Expression, "ten divided by four", "10 / 4"),
    (Expression, "nine into eighty one", "81 / 9"),
    (Expression, "100 over 7", "100 / 7"),
    (Expression, "the sum of 3 and 4", "3 + 4"),
    (Expression, "the sum of 3, 4 and 5 times 2", "3 + 4 + 5 * 2"),
    (Expression, "the product of six and nine", "6 * 9"),
    (Expression, "the difference between 9 and 4", "9 - 4"),
    (Expression, "the average of 3, 4 and 8", "(3 + 4 + 8) / 3"),
    (Expression, "add 3 and 4", "3 + 4"),
    (Expression, "add 3 to 4", "4 + 3"),
    (Expression, "add 10 percent to 50", "50 * (1 + 10 / 100)"),
    (Expression, "add 3 and 4 then multiply by 2", "(3 + 4) * 2"),
    (Expression, "subtract 5 from 12", "12 - 5"),
    (Expression, "take 5 away from 12", "12 - 5"),
    (Expression, "multiply 6 by 7", "6 * 7"),
    (Expression, "divide 81 by 9", "81 / 9"),
    (Expression, "12 mod 5", "12 % 5"),
    (Expression, "12 % 5", "12 % 5"),
    (Expression, "the remainder of 17 divided by 5", "17 % 5"),
    (Expression, "20% off 60", "60 * (1 - 20 / 100)"),
    (Expression, "sixty plus 9 percent", "60 * (1 + 9 / 100)"),
    (Expression, "five factorial", "factorial(5)"),
    (Expression, "5!", "factorial(5)"),
    (Expression, "double 45", "2 * 45"),
    (Expression, "the cube root of 27", "cbrt(27)"),
    (Expression, "the fourth root of 16", "16 ** (1 / 4)"),
    (Expression, "three to the fourth power", "3 ** 4"),
    (Expression, "2 to the 5th", "2 ** 5"),
    (Expression, "two to the power of minus three", "2 ** -3"),
    (Expression, "(-2) squared", "(-2) ** 2"),
    (Expression, "2 ** 3 ** 2", "2 ** 3 ** 2"),
    (Expression, "10 - (4 - 3)", "10 - (4 - 3)"),
    (Expression, "minus minus three plus one", "3 + 1"),
    (Expression, "log of 100", "log10(100)"),
    (Expression, "log base two of 8", "log2(8)"),
    (Expression, "sine of 30 degrees", "sin(30 / 180 * pi)"),
    (Expression, "two times pi", "2 * pi"),
    (Expression, "open bracket five plus three close bracket times two", "(5 + 3) * 2"),
    (Expression, "two and a half times four", "2.5 * 4"),
    (Expression, "a hundred and one minus two", "101 - 2"),
    (Expression, "9**9**9", "9 ** 9 ** 9"),
    # Date
    (Date, "Today", "today"),
    (Date, "on friday", "friday"),
    (Date, "next friday", "next friday"),
    (Date, "friday week", "friday in 1 week"),
    (Date, "in 3 weeks", "in 3 weeks"),
    (Date, "a week from today", "in 1 week"),
    (Date, "in a fortnight", "in 2 weeks"),
    (Date, "six weeks from tomorrow", "in 43 days"),
    (Date, "two weeks' time", "in 2 weeks"),
    (Date, "3 days ago", "3 days ago"),
    (Date, "the day after tomorrow", "in 2 days"),
    (Date, "next month", "in 1 month"),
    (Date, "in eight working days", "in 8 workdays"),
    (Date, "december 24", "december 24"),
    (Date, "December 24th, 2026", "december 24 2026"),
    (Date, "2026-12-24", "december 24 2026"),
    (Date, "24.12.2026", "december 24 2026"),
    (Date, "12/24/2026", "december 24 2026"),
    (Date, "24/12", "december 24"),
    (Date, "friday, the 25th of december", "december 25"),
    (Date, "the third of march", "march 3"),
    (Date, "march the twenty first", "march 21"),
    (Date, "the fourth of july nineteen seventy six", "july 4 1976"),
    (Date, "may second twenty twenty seven", "may 2 2027"),
    (Date, "christmas", "december 25"),
    (Date, "New Year’s Eve", "december 31"),
    (Date, "easter 2027", "easter 2027"),
    (Date, "the 15th", "day 15"),
    (Date, "the 1st of next month", "day 1 of next month"),
    (Date, "the last friday of this month", "last friday of this month"),
    (Date, "the first Monday in September", "first monday of september"),
    (Date, "the end of next month", "last day of next month"),
    (Date, "february 29 2028", "february 29 2028"),
    # Time
    (Time, "7 am", "07:00"),
    (Time, "7am", "07:00"),
    (Time, "seven a.m.", "07:00"),
    (Time, "half past six", "06:30"),
    (Time, "half six", "06:30"),
    (Time, "quarter to eight in the evening", "19:45"),
    (Time, "a quarter to one", "12:45"),
    (Time, "ten to one pm", "12:50"),
    (Time, "noon", "12:00"),
    (Time, "12 noon", "12:00"),
    (Time, "midnight", "00:00"),
    (Time, "ten past midnight", "00:10"),
    (Time, "quarter to midnight", "23:45"),
    (Time, "12 am", "00:00"),
    (Time, "12 pm", "12:00"),
    (Time, "12:30", "12:30"),
    (Time, "six thirty pm", "18:30"),
    (Time, "19:30", "19:30"),
    (Time, "0600", "06:00"),
    (Time, "630 pm", "18:30"),
    (Time, "6.45", "06:45"),
    (Time, "seven o'clock", "07:00"),
    (Time, "seven o'clock sharp", "07:00"),
    (Time, "ten to nine", "08:50"),
    (Time, "twenty minutes past four in the afternoon", "16:20"),
    (Time, "five in the morning", "05:00"),
    (Time, "nine at night", "21:00"),
    (Time, "two at night", "02:00"),
    (Time, "7", "07:00"),
    (Time, "six oh five", "06:05"),
    (Time, "eighteen hundred hours", "18:00"),
    (Time, "oh six hundred", "06:00"),
    (Time, "twenty two thirty", "22:30"),
    (Time, "tomorrow morning at 7", "07:00"),
    # Location
    (Location, "new york", "New York"),
    (Location, "the city of Berlin", "Berlin"),
    (Location, "paris's", "Paris"),
    (Location, "rio de janeiro", "Rio de Janeiro"),
    (Location, "the uk", "UK"),
    (Location, "LA", "LA"),
    (Location, "LONDON", "London"),
    (Location, "st. louis, missouri?", "St Louis Missouri"),
    (Location, "stratford-upon-avon", "Stratford-upon-Avon"),
    (Location, "o'fallon", "O'Fallon"),
    (Location, "zürich", "Zürich"),
    # AppName
    (AppName, "the Firefox app", "firefox"),
    (AppName, "Visual Studio Code", "visual studio code"),
    (AppName, "my calculator program, please", "calculator"),
    (AppName, "Notepad++", "notepad++"),
    (AppName, "node.js", "node.js"),
]

REFUSED: list[tuple[type[SpokenType], str]] = [
    *((Duration, said) for said in (
        "a while", "5", "five", "zero minutes", "0 seconds", "minus five minutes", "ten years", "a month", "1:30",
        "1:75:00",
        "minutes", "five minutes to", "five minutes five minutes", "the minutes of the meeting", "half", "3650 days",
        "a bit", "5 miles",
    )),
    *((Number, said) for said in (
        "number", "five six", "one two three", "a while", "twenty twenty", "and", "point", "five percent", "nan", "inf",
        "1e400",
        "five and", "a few", "hundred hundred", "thousand million five", "seven of nine",
    )),
    *((Expression, said) for said in (
        "five", "-7", "a", "3 +", "* 4", "(3 + 4", "3 + 4)", "()", "3 4", "what is love", "the weather", "import os",
        "3 plus apples",
        "19:30", "1 / ", "x", "2 times you", "((((1+2)*3)+4)*5)*6 + ((((1))))" * 3, "five percent more people",
    )),
    *((Date, said) for said in (
        "february 30", "february 29 2027", "april 31", "the 32nd", "2026-13-01", "next", "next thing", "march",
        "a week", "3", "someday",
        "may i", "in 0 days", "in 1000 years", "3/4", "five minutes ago", "sun and moon",
        "in three quarters of a week",
    )),
    *((Time, said) for said in (
        "25", "24:30", "7:60", "thirteen in the morning", "half", "quarter past", "seven minutes", "sixty thirty",
        "time", "morning",
        "am", "five hundred", "ten to", "six five", "7 am pm", "o'clock", "in the evening",
    )),
    *((Location, said) for said in (
        "here", "tomorrow", "outside", "now", "it", "the", "in the morning", "42", "!!!", "my", "a b c d e f g",
        "there", "me", "berlin 2",
    )),
    *((AppName, said) for said in (
        "it", "the app", "that", "something", "one two three four five six seven", "rm -rf /", "$(reboot)", "a;b",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "said", "means"), ACCEPTED, ids=lambda value: value if isinstance(value, str) else "")
def test_accepted(kind: type[SpokenType], said: str, means: object) -> None:
    value = kind.parse(said)
    assert value == means
    assert not isinstance(value, Number) or type(value.canonical) is type(means)


@pytest.mark.parametrize(("kind", "said"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_refused(kind: type[SpokenType], said: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        kind.parse(said)


def test_duration_knows_its_length() -> None:
    assert Duration("1 hour 30 minutes").seconds == 5400
    assert Duration("a day and 0.25 seconds").timedelta == datetime.timedelta(days=1, milliseconds=250)


THURSDAY = datetime.date(2026, 11, 19)
RESOLVED = [  # from a calendar of 2026 and 2027
    ("today", "2026-11-19"),
    ("tomorrow", "2026-11-20"),
    ("yesterday", "2026-11-18"),
    ("thursday", "2026-11-19"),
    ("friday", "2026-11-20"),
    ("monday", "2026-11-23"),
    ("next thursday", "2026-11-26"),
    ("next friday", "2026-11-27"),
    ("next monday", "2026-11-23"),
    ("last thursday", "2026-11-12"),
    ("last friday", "2026-11-13"),
    ("friday in 2 weeks", "2026-12-04"),
    ("thursday 2 weeks ago", "2026-11-05"),
    ("in 3 weeks", "2026-12-10"),
    ("in 1 month", "2026-12-19"),
    ("in 3 months", "2027-02-19"),
    ("1 year ago", "2025-11-19"),
    ("in 2 workdays", "2026-11-23"),
    ("december 24", "2026-12-24"),
    ("march 3", "2027-03-03"),
    ("november 19", "2026-11-19"),
    ("february 29", "2028-02-29"),
    ("july 4 1976", "1976-07-04"),
    ("day 19", "2026-11-19"),
    ("day 15", "2026-12-15"),
    ("day 31", "2026-12-31"),
    ("day 31 of next month", "2026-12-31"),
    ("last friday of this month", "2026-11-27"),
    ("first monday of september", "2027-09-06"),
    ("last day of next month", "2026-12-31"),
    ("easter 2026", "2026-04-05"),
    ("easter", "2027-03-28"),
    ("easter 2000", "2000-04-23"),
    ("good friday 2026", "2026-04-03"),
    ("pentecost 2026", "2026-05-24"),
    ("ash wednesday 2026", "2026-02-18"),
    ("thanksgiving", "2026-11-26"),
    ("black friday", "2026-11-27"),
    ("mother's day", "2027-05-09"),
    ("labor day 2026", "2026-09-07"),
    ("memorial day 2026", "2026-05-25"),
]


@pytest.mark.parametrize(("said", "day"), RESOLVED)
def test_date_resolves(said: str, day: str) -> None:
    date = Date(said)
    assert date == said, "the case is written in the canonical form"
    assert date.resolve(THURSDAY).isoformat() == day


def test_month_ends_are_kept_within_the_month() -> None:
    assert Date("in 1 month").resolve(datetime.date(2027, 1, 31)) == datetime.date(2027, 2, 28)
    assert Date("next sunday").resolve(datetime.date(2026, 11, 22)) == datetime.date(2026, 11, 29)


def test_time_finds_its_next_occurrence() -> None:
    now = datetime.datetime(2026, 11, 19, 18, 30)
    assert Time("18:30").next(now) == datetime.datetime(2026, 11, 20, 18, 30)
    assert Time("19:00").next(now) == datetime.datetime(2026, 11, 19, 19, 0)
    assert (Time("half past six pm").hour, Time("half past six pm").minute) == (18, 30)
