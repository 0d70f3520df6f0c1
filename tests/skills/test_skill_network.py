"""weather and news against a server on this machine: answers as the real services give them, and everything that goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from desk import Desk

from tests.web import Site

# As https://geocoding-api.open-meteo.com/v1/search?name=Berlin&count=1 answers.
BERLIN = {
    "results": [
        {
            "id": 2950159, "name": "Berlin", "latitude": 52.52437, "longitude": 13.41053, "elevation": 74.0, "feature_code": "PPLC",
            "country_code": "DE", "admin1_id": 2950157, "timezone": "Europe/Berlin", "population": 3426354, "country_id": 2921044,
            "country": "Germany", "admin1": "State of Berlin",
        }
    ],
    "generationtime_ms": 0.58,
}  # fmt: skip
PARISES = {
    "results": [
        {"id": 1, "name": "Paris", "latitude": 48.85, "longitude": 2.35, "country_code": "FR", "country": "France", "admin1": "Île-de-France"},
        {"id": 2, "name": "Paris", "latitude": 33.66, "longitude": -95.55, "country_code": "US", "country": "United States", "admin1": "Texas"},
    ]
}
# As https://api.open-meteo.com/v1/forecast answers to what the skill asks for.
FORECAST = {
    "latitude": 52.52, "longitude": 13.419998, "generationtime_ms": 0.06, "utc_offset_seconds": 3600, "timezone": "Europe/Berlin",
    "timezone_abbreviation": "CET", "elevation": 38.0,
    "current_units": {"time": "iso8601", "interval": "seconds", "temperature_2m": "°C", "weather_code": "wmo code", "wind_speed_10m": "km/h"},
    "current": {"time": "2026-11-20T15:30", "interval": 900, "temperature_2m": 6.6, "weather_code": 61, "wind_speed_10m": 12.4},
    "daily_units": {"time": "iso8601", "temperature_2m_max": "°C", "temperature_2m_min": "°C", "precipitation_probability_max": "%"},
    "daily": {"time": ["2026-11-20"], "temperature_2m_max": [8.1], "temperature_2m_min": [-1.3], "precipitation_probability_max": [80]},
}  # fmt: skip
SPOKEN = "In Berlin it is 7 degrees and raining lightly, with wind at 12 kilometers per hour. Today from -1 to 8 degrees, with a 80 percent chance of rain."


@pytest.fixture
def weather_desk(desk: Desk, site: Site) -> Desk:
    geocoding, forecast = site.serve("/search", json.dumps(BERLIN)), site.serve("/forecast", json.dumps(FORECAST))
    desk.configure(f'[skills.weather]\ngeocoding_url = "{geocoding}"\nforecast_url = "{forecast}"\n')
    return desk


def test_the_weather_of_a_place(weather_desk: Desk, site: Site) -> None:
    assert weather_desk.says('weather(location="berlin")') == SPOKEN
    search, forecast = [request.path for request in site.requests]
    assert search == "/search?name=Berlin&count=1&language=en&format=json"
    assert "latitude=52.52437&longitude=13.41053&" in forecast
    assert "temperature_unit" not in forecast


def test_the_users_own_place_and_units(weather_desk: Desk, site: Site) -> None:
    config = weather_desk.home / "config.toml"
    weather_desk.configure(config.read_text() + 'units = "imperial"\n[user]\nlocation = "Berlin"\n')
    assert "12 miles per hour" in weather_desk.says("weather()")
    assert "temperature_unit=fahrenheit&wind_speed_unit=mph" in site.requests[-1].path


def test_no_place_is_known(desk: Desk) -> None:
    assert desk.fails("weather()") == "I do not know where you are; say a place, or set yours with `otto config set user.location CITY`."


def test_a_state_chooses_among_places_of_one_name(weather_desk: Desk, site: Site) -> None:
    site.routes["/search"] = lambda request: (200, "application/json", json.dumps(PARISES if "name=Paris&" in request.path else {"generationtime_ms": 0.4}).encode())
    assert weather_desk.says('weather(location="paris texas")').startswith("In Paris Texas it is 7 degrees")
    assert "latitude=33.66" in site.requests[-1].path
    assert weather_desk.fails('weather(location="paris ontario")') == "There is no place called Paris Ontario; say the name of a larger place nearby."


def test_parts_that_a_forecast_may_lack(weather_desk: Desk, site: Site) -> None:
    forecast = json.loads(json.dumps(FORECAST))
    forecast["current"]["weather_code"] = 1234  # not yet invented
    forecast["daily"]["precipitation_probability_max"] = [None]
    site.serve("/forecast", json.dumps(forecast))
    said = weather_desk.says('weather(location="berlin")')
    assert said == "In Berlin it is 7 degrees, with wind at 12 kilometers per hour. Today from -1 to 8 degrees."


@pytest.mark.parametrize("path", ["/search", "/forecast"])
@pytest.mark.parametrize("garbage", ["", "<html>proxy login</html>", "[]", "null", '"x"', '{"results": [{}]}', "\x00\xff{", '{"results": ['])
def test_garbage(weather_desk: Desk, site: Site, path: str, garbage: str) -> None:
    site.serve(path, garbage.encode("latin-1"))
    assert weather_desk.fails('weather(location="berlin")') == "The weather service gave an answer that cannot be read; try again later."


@pytest.mark.parametrize(
    "change", [{"current": 5}, {"current": {}}, {"daily": []}, {"daily": {**FORECAST["daily"], "temperature_2m_max": []}}, {"current": {**FORECAST["current"], "temperature_2m": "warm"}}]
)  # fmt: skip
def test_a_forecast_of_another_shape(weather_desk: Desk, site: Site, change: dict[str, object]) -> None:
    site.serve("/forecast", json.dumps({**FORECAST, **change}))
    assert weather_desk.fails('weather(location="berlin")') == "The weather service gave an answer that cannot be read; try again later."


@pytest.mark.parametrize("path", ["/search", "/forecast"])
@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_error_statuses(weather_desk: Desk, site: Site, path: str, status: int) -> None:
    site.serve(path, '{"error": true, "reason": "…"}', status=status)
    assert weather_desk.fails('weather(location="berlin")') == f"The weather service failed with status {status}; try again later."


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("path", ["/search", "/forecast"])
def test_a_slow_service(weather_desk: Desk, site: Site, path: str) -> None:
    site.hang(path)
    assert weather_desk.fails('weather(location="berlin")') == "The weather service took too long; try again later."


def test_no_network(desk: Desk, no_network_port: str) -> None:
    desk.configure(f'[skills.weather]\ngeocoding_url = "{no_network_port}"\n[skills.news]\nfeeds = ["{no_network_port}/rss"]\n')
    assert desk.fails('weather(location="berlin")') == "The weather service is out of reach; check the network."
    assert desk.fails("news()") == f"The news from {no_network_port.removeprefix('http://')} is out of reach; check the network, and the addresses in skills.news.feeds."


FEEDS = Path(__file__).parent / "feeds"


@pytest.fixture
def news_desk(desk: Desk, site: Site) -> Desk:
    feed = site.serve("/rss.xml", (FEEDS / "rss.xml").read_bytes(), kind="text/xml; charset=utf-8")
    site.serve("/search", (FEEDS / "search.xml").read_bytes(), kind="application/xml")
    desk.configure(f'[skills.news]\nfeeds = ["{feed}"]\nsearch_url = "{site.url}/search?q={{topic}}"\n')
    return desk


def test_the_headlines(news_desk: Desk) -> None:
    assert news_desk.says("news()") == (
        "The headlines: Storm closes ports & airports in the north. Is this the year of the electric ferry? "
        "Parliament votes on rail budget. Team wins cup after shoot-out. Probe reaches asteroid."
    )  # the first five of seven, one of which stands twice


@pytest.mark.parametrize("topic", ["ferry", "electric FERRY", "ferries and trains"])
def test_a_topic_among_the_headlines(news_desk: Desk, site: Site, topic: str) -> None:
    said = news_desk.says(f'news(topic="{topic}")')
    if topic.startswith("ferries"):  # not in the feed: searched for
        assert site.requests[-1].path == "/search?q=ferries+and+trains"
        assert said == "The headlines about ferries and trains: Ferries and trains to share one ticket - The Example Times."
    else:
        assert said == f"The headlines about {topic}: Is this the year of the electric ferry?"


def test_a_topic_is_found_in_the_summary_and_nothing_is_searched(news_desk: Desk, site: Site) -> None:
    assert news_desk.says('news(topic="penalties")') == "The headlines about penalties: Team wins cup after shoot-out."
    assert [request.path for request in site.requests] == ["/rss.xml"]


def test_a_topic_that_is_nowhere(news_desk: Desk, site: Site) -> None:
    site.serve("/search", '<rss version="2.0"><channel><title>none</title></channel></rss>')
    assert news_desk.fails('news(topic="quux & co")') == "There are no headlines about quux & co; ask for another topic, or for the news alone."
    assert site.requests[-1].path == "/search?q=quux+%26+co"


def test_an_atom_feed_and_a_broken_one_beside_it(news_desk: Desk, site: Site) -> None:
    atom = site.serve("/atom", (FEEDS / "atom.xml").read_bytes(), kind="application/atom+xml")
    broken = site.serve("/broken", "oops", status=500)
    news_desk.configure(f'[skills.news]\nfeeds = ["{broken}", "{atom}"]\n')
    assert news_desk.says("news()") == "The headlines: Grüße aus dem Rathaus. Bridge opens early."


@pytest.mark.parametrize("garbage", [b"", b"<html><body>login</body></html>", b"\x00\x01\x02", b"/etc/passwd", b"http://127.0.0.1:1/", b'{"news": []}', b"<rss"])
def test_what_is_no_feed(news_desk: Desk, site: Site, garbage: bytes) -> None:
    site.serve("/rss.xml", garbage)
    assert news_desk.fails("news()") == f"{site.url.removeprefix('http://')} did not answer with a news feed; check the addresses in skills.news.feeds."


def test_an_empty_feed(news_desk: Desk, site: Site) -> None:
    site.serve("/rss.xml", '<rss version="2.0"><channel><title>Quiet</title></channel></rss>')
    assert news_desk.fails("news()") == "The news feeds hold no headlines; try again later, or name others in skills.news.feeds."


def test_a_feed_that_was_cut_off_still_gives_its_first_headlines(news_desk: Desk, site: Site) -> None:
    whole = (FEEDS / "rss.xml").read_bytes()
    site.serve("/rss.xml", whole[: whole.index(b"Parliament")])
    assert news_desk.says("news()").startswith("The headlines: Storm closes ports & airports in the north.")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_error_statuses_of_a_feed(news_desk: Desk, site: Site, status: int) -> None:
    site.serve("/rss.xml", "no", status=status)
    assert news_desk.fails("news()") == f"The news from {site.url.removeprefix('http://')} failed with status {status}; try again later."


@pytest.mark.usefixtures("short_waits")
def test_a_slow_feed(news_desk: Desk, site: Site) -> None:
    site.hang("/rss.xml")
    assert news_desk.fails("news()") == f"The news from {site.url.removeprefix('http://')} took too long; try again later."


def test_a_feed_cannot_read_files_or_explode(news_desk: Desk, site: Site) -> None:
    entity = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    site.serve("/rss.xml", f'<?xml version="1.0"?>{entity}<rss version="2.0"><channel><item><title>Safe &x;</title></item></channel></rss>')
    assert "root:" not in news_desk.run("news()").speech
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    site.serve("/rss.xml", f'<!DOCTYPE r [<!ENTITY l0 "ha">{laughs}]><rss version="2.0"><channel><item><title>&l11;</title></item></channel></rss>')
    assert len(news_desk.run("news()").speech) < 1_000
