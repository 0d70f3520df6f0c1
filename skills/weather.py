"""The weather, from Open-Meteo: no key, no account."""

from __future__ import annotations

from typing import Any

from otto import Context, Location, NetworkError, OttoError, skill

GEOCODING_URL = "https://geocoding-api.open-meteo.com/v1/search"
FORECAST_URL = "https://api.open-meteo.com/v1/forecast"
SKY = {  # WMO weather interpretation codes, as Open-Meteo documents them
    0: "clear", 1: "mostly clear", 2: "partly cloudy", 3: "overcast", 45: "foggy", 48: "foggy with rime", 51: "drizzling lightly", 53: "drizzling",
    55: "drizzling heavily", 56: "drizzling and freezing", 57: "drizzling heavily and freezing", 61: "raining lightly", 63: "raining",
    65: "raining heavily", 66: "raining and freezing", 67: "raining heavily and freezing", 71: "snowing lightly", 73: "snowing",
    75: "snowing heavily", 77: "snowing in grains", 80: "raining in light showers", 81: "raining in showers", 82: "raining in violent showers",
    85: "snowing in light showers", 86: "snowing in heavy showers", 95: "thundery", 96: "thundery with hail", 99: "thundery with heavy hail",
}  # fmt: skip


@skill(read_only=True, open_world=True, deadline=20)
def weather(context: Context, location: Location | None = None) -> str:
    """Tell the current weather and the forecast for today.

    Args:
        location: the city or place; without it, the user's own
    """
    name = location or context.settings.get("location")
    if not name:
        raise OttoError("I do not know where you are", "say a place, or set yours with `otto config set user.location CITY`")
    place = _find(name, context)
    imperial = context.settings.get("units") == "imperial"
    wanted = {
        "latitude": place["latitude"],
        "longitude": place["longitude"],
        "current": "temperature_2m,weather_code,wind_speed_10m",
        "daily": "temperature_2m_max,temperature_2m_min,precipitation_probability_max",
        "timezone": "auto",
        "forecast_days": 1,
        **({"temperature_unit": "fahrenheit", "wind_speed_unit": "mph"} if imperial else {}),
    }
    return _told(place["name"], _fetch(context, "forecast_url", FORECAST_URL, wanted), "miles" if imperial else "kilometers")


def _find(said: str, context: Context) -> dict[str, Any]:
    """The place of a name. "paris texas" is looked up as "paris" where the whole is unknown, and the rest chooses among what is found."""
    words = said.replace(",", " ").split()
    for count in range(len(words), 0, -1):
        name, rest = " ".join(words[:count]), " ".join(words[count:]).casefold()
        found = _fetch(context, "geocoding_url", GEOCODING_URL, {"name": name, "count": 20 if rest else 1, "language": "en", "format": "json"})
        for place in found.get("results") or ():
            regions = [str(place.get(key, "")).casefold() for key in ("country", "country_code", "admin1")]
            if not rest or rest in regions:
                if not all(isinstance(place.get(key), float | int) for key in ("latitude", "longitude")) or not place.get("name"):
                    raise _nonsense()
                return {**place, "name": said if rest else place["name"]}
    raise OttoError(f"There is no place called {said}", "say the name of a larger place nearby")


def _told(name: str, forecast: dict[str, Any], distance: str) -> str:
    try:
        now, today = forecast["current"], forecast["daily"]
        temperature, wind = round(now["temperature_2m"]), round(now["wind_speed_10m"])
        low, high = round(today["temperature_2m_min"][0]), round(today["temperature_2m_max"][0])
        rain = today["precipitation_probability_max"][0]  # null where the model has none
        sky = SKY.get(now["weather_code"])
    except (KeyError, IndexError, TypeError, ValueError):
        raise _nonsense() from None
    chance = f", with a {round(rain)} percent chance of rain" if isinstance(rain, int | float) else ""
    look = f" and {sky}" if sky else ""
    return f"In {name} it is {temperature} degrees{look}, with wind at {wind} {distance} per hour. Today from {low} to {high} degrees{chance}."


def _fetch(context: Context, setting: str, default: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The JSON object that the service answers. Raises NetworkError."""
    import httpx

    try:
        response = context.http.get(context.settings.get(setting, default), params=parameters)
        response.raise_for_status()
        answer = response.json()
    except httpx.TimeoutException:
        raise NetworkError("The weather service took too long", "try again later") from None
    except httpx.HTTPStatusError as error:
        raise NetworkError(f"The weather service failed with status {error.response.status_code}", "try again later") from None
    except httpx.HTTPError:
        raise NetworkError("The weather service is out of reach", "check the network") from None
    except ValueError:
        raise _nonsense() from None
    if not isinstance(answer, dict):
        raise _nonsense()
    return answer


def _nonsense() -> NetworkError:
    return NetworkError("The weather service gave an answer that cannot be read", "try again later")
