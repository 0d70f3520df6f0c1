"""Stand-ins for the engines, and what one run of a command gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otto.call import Call
from otto.messages import SAMPLE_RATE, NotRecognized, Route, SpeechGrammar, Transcript, Utterance
from otto.registry import Registry

PHRASES = {
    "set a timer for five minutes": 'timer(duration="5 minutes")',
    "take a note buy milk": 'notes(action="add", note="buy milk")',
    "read my notes": 'notes(action="list")',
    "what time is it in tokyo": 'timecheck(location="Tokyo")',
    "divide one by zero": 'math(question="1/0")',
    "one second": 'timer(duration="1 second")',
    "note buy milk and set a timer": 'notes(action="add", note="buy milk"); timer(duration="1 minute")',
}


class TableRouter:
    """Knows these phrases and no others."""

    name = "table"

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def route(self, text: str) -> Route:
        known = PHRASES.get(text.casefold())
        calls = Call.parse_all(known) if known else (Call("other"),)
        return Route(text, calls, 0.99 if known else 0.8, self.name, 0.25)

    def update(self, registry: Registry) -> None:
        self.registry = registry


class ScriptedEngine:
    """Hears the texts of a list, one a sentence, whatever the sound is and however often it is asked; None is not recognised."""

    name = "scripted"

    def __init__(self, texts: list[str | None]) -> None:
        self.texts = texts
        self._heard: dict[bytes, str | None] = {}  # how a sentence begins → its text

    def partial(self, utterance: Utterance) -> str:
        heard = self.transcribe(utterance)
        return heard.text if isinstance(heard, Transcript) else ""

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        assert utterance.samples.dtype == "int16"
        assert 0 < len(utterance.samples) < 30 * SAMPLE_RATE
        beginning = utterance.samples[:4000].tobytes() + str(utterance.start).encode()
        if beginning not in self._heard:
            self._heard[beginning] = self.texts.pop(0) if self.texts else None
        text = self._heard[beginning]
        return Transcript(text, self.name, 12.0, 0.9) if text else NotRecognized("outside the grammar", self.name, 11.0, "tell the time")


@dataclass
class Ran:
    code: int
    out: str
    err: str


Otto = Callable[..., Ran]
