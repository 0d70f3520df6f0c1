"""An assistant with the bundled skills, whose ears take what is said from a script: the sound is real, the words are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from otto.assistant import Assistant
from otto.config import load_settings
from otto.dispatch import Dispatcher
from otto.history import History
from otto.listening.conversation import Conversation, VoiceHost
from otto.listening.events import Event, TurnDone
from otto.listening.hearing import Hearing
from otto.listening.listener import Ears, Listener, Mode
from otto.listening.patience import Patience
from otto.messages import SAMPLE_RATE, AudioFrame, NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.phrases import PhraseBook
from otto.registry import Registry
from otto.router.phrases import PhraseRouter
from otto.store import DATABASE_NAME, Database

if TYPE_CHECKING:
    from otto.messages import Samples

FRAME = 512


class Script:
    """Stands for the speech engine: each sentence of sound has the next text. Asked twice about one sentence, it says the same."""

    name = "script"

    def __init__(self, texts: list[str | None]) -> None:
        self.texts = texts
        self.confidence = 1.0
        self.expected: list[SpeechGrammar | None] = []
        self._heard: dict[float, str | None] = {}

    def partial(self, utterance: Utterance) -> str:
        return self._text(utterance) or ""

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        self.expected.append(expected)
        text = self._text(utterance)
        return Transcript(text, self.name, 1.0, self.confidence) if text else NotRecognized("no words", self.name, 1.0)

    def _text(self, utterance: Utterance) -> str | None:
        if utterance.start not in self._heard:
            self._heard[utterance.start] = self.texts.pop(0) if self.texts else None
        return self._heard[utterance.start]


@dataclass
class Mouth:
    """Stands for the voice: speaks a text in no time, or until it is stopped."""

    said: list[str] = field(default_factory=list)
    speaking: bool = False
    stops: int = 0
    long: bool = False  # replies go on until they are stopped

    def say(self, text: str) -> None:
        self.said.append(text)
        self.speaking = self.long

    def stop(self) -> None:
        self.stops += self.speaking
        self.speaking = False


@dataclass
class Room:
    """Everything of one listener, and a microphone that is given its sound."""

    assistant: Assistant
    script: Script
    mouth: Mouth
    conversation: Conversation
    hearing: Hearing
    listener: Listener
    shown: list[Event]
    speech: Samples
    _at: int = 0

    def hears(self, text: str | None, pause: float = 1.5) -> None:
        """Somebody says this, and is silent; returns when all of it is done."""
        self.script.texts.append(text)
        self.sound(self.speech)
        self.quiet(pause)

    def says(self, text: str | None, pause: float = 1.5) -> None:
        """The same, but nobody waits for what is begun."""
        self.script.texts.append(text)
        for samples in (self.speech, self.silence(pause)):
            self.sound(samples, settle=self.hearing.rest)

    def sound(self, samples: Samples, settle: Callable[[], None] | None = None) -> None:
        for start in range(0, len(samples) - FRAME + 1, FRAME):
            self.listener.step(AudioFrame(samples[start : start + FRAME], self._at / SAMPLE_RATE))
            self._at += FRAME
            (settle or self.settle)()

    def quiet(self, seconds: float) -> None:
        self.sound(self.silence(seconds))

    @staticmethod
    def silence(seconds: float) -> Samples:
        """The noise of a quiet room."""
        return np.random.default_rng(5).normal(0, 4, round(seconds * SAMPLE_RATE)).astype(np.int16)

    def lose(self, seconds: float) -> None:
        """So much sound is missing."""
        self._at += round(seconds * SAMPLE_RATE)

    def settle(self) -> None:
        """Let the threads do what they can do now: sound is given faster than it is spoken."""
        self.hearing.rest()
        while self.conversation.busy and self.conversation.question is None:
            self.conversation.run_posted()
            threading.Event().wait(0.001)
        self.conversation.run_posted()

    def events(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.shown if isinstance(event, kind)]

    @property
    def calls(self) -> list[str]:
        """The calls of all turns so far."""
        return [str(call) for event in self.events(TurnDone) for call in event.turn.route.calls]


def opened_room(mode: Mode, registry: Registry, book: PhraseBook, speech: Samples, wake: Any = None, echo: Any = None, **options: Any) -> Room:
    settings = load_settings()
    host, script, mouth, shown = VoiceHost(), Script([]), Mouth(), []
    database = Database(settings.paths.data / DATABASE_NAME, mouth.say)
    dispatcher = Dispatcher(registry, host, database, settings)
    assistant = Assistant(settings, registry, PhraseRouter(registry), dispatcher, History(database), lambda registry: script)
    missed: Callable[[], None] = lambda: listener.chime("error")  # noqa: E731  the listener is made below
    conversation = Conversation(assistant, mouth, shown.append, overheard=mode is Mode.CONTINUOUS, missed=missed)
    host.conversation = conversation
    hearing = Hearing(assistant, Patience(registry, book, 0.5))
    listener = Listener(Ears(hearing, wake, echo), conversation, mouth, _View(shown), mode, **options)
    return Room(assistant, script, mouth, conversation, hearing, listener, shown, speech)


@dataclass
class _View:
    events: list[Event]

    def show(self, event: Event) -> None:
        self.events.append(event)


OpenRoom = Callable[..., Room]
