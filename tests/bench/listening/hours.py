"""Hours of sound, sped up: other people's talk that wakes nobody, and a day of turns at a device that is lost every few minutes."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from eval.noise import read_noise, read_samples
from otto import scheduler
from otto.assistant import Assistant
from otto.audio.wakeword import WakeWords
from otto.config import Settings
from otto.dispatch import Dispatcher
from otto.history import History
from otto.listening.conversation import Conversation, VoiceHost
from otto.listening.events import Event, State, StateChanged, TurnDone, Woken
from otto.listening.hearing import Hearing
from otto.listening.listener import Ears, Listener, Mode
from otto.listening.patience import Patience
from otto.messages import SAMPLE_RATE, AudioFrame, NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.phrases import PhraseBook
from otto.registry import Registry
from otto.router.base import Router
from otto.router.phrases import PhraseRouter
from otto.store import DATABASE_NAME, Database
from otto.stt.base import SpeechEngine
from tests.measure_wakewords import talk

if TYPE_CHECKING:
    from otto.messages import Samples

FRAME = 512
COMMANDS = ("set a timer for five minutes", "what time is it in london", "what is fifteen plus twenty seven", "read my notes")


class Silent:
    """A voice for a room where nobody wants replies."""

    speaking = False

    def say(self, text: str) -> None:
        pass

    def stop(self) -> None:
        pass


class Events:
    """Counts what happens."""

    def __init__(self) -> None:
        self.wakes: list[str] = []
        self.calls: list[str] = []
        self.state = State.IDLE

    def show(self, event: Event) -> None:
        if isinstance(event, Woken):
            self.wakes.append(event.word)
        elif isinstance(event, TurnDone) and event.turn.route and event.turn.route.acts:
            self.calls += map(str, event.turn.route.calls)
        elif isinstance(event, StateChanged):
            self.state = event.state


@dataclass(frozen=True)
class Others:
    """Other people's talk and noise."""

    minutes: float
    wakes: tuple[str, ...]
    calls: tuple[str, ...]  # after a false wake
    continuous_minutes: float
    continuous_calls: tuple[str, ...]  # where no wake word is asked for


@dataclass(frozen=True)
class Day:
    """A day of turns."""

    hours: float
    turns: int
    losses: int  # of the device
    wanted: int  # timers set
    announced: int
    resident: tuple[float, float]  # MiB after the first hour and at the end
    threads: tuple[int, int]
    state: State  # at the end


@dataclass
class _Room:
    assistant: Assistant
    hearing: Hearing
    conversation: Conversation
    listener: Listener
    events: Events

    def settle(self) -> None:
        self.hearing.rest()
        while self.conversation.busy:
            self.conversation.run_posted()
            time.sleep(0.0005)
        self.conversation.run_posted()

    def close(self) -> None:
        self.hearing.close()
        self.conversation.close()
        self.assistant.close()


def others(settings: Settings, engine: str, data: Path, hours: float) -> Others:
    """Play recordings, synthetic talk and kitchen noise end to end until the hours are full, and count."""
    from otto.stt import open_engine

    registry = _registry()
    room = _room(settings, registry, open_engine(engine, registry, settings), Mode.WAKE, WakeWords(settings.wake.words, settings.wake.sensitivity))
    seconds = _play(room, _talk(data, hours))
    wakes, calls = tuple(room.events.wakes), tuple(room.events.calls)
    room.close()
    room = _room(settings, registry, open_engine(engine, registry, settings), Mode.CONTINUOUS, None)
    all_the_time = _play(room, _talk(data, hours / 4))
    found = tuple(room.events.calls)
    room.close()
    return Others(seconds / 60, wakes, calls, all_the_time / 60, found)


def day(settings: Settings, hours: float) -> Day:
    """Turn after turn, each after its wake word, the device lost every few minutes; the words are given, all else is real."""
    from otto.audio.file import read_audio
    from otto.demo import recordings

    registry = _registry()
    script, wake = _Script(), _WakeAt()
    room = _room(settings, registry, script, Mode.WAKE, wake)
    speech = np.concatenate([frame.samples for frame in read_audio(recordings()[0].file)])
    quiet = np.random.default_rng(2).normal(0, 4, 3 * SAMPLE_RATE).astype(np.int16)
    database, began = room.assistant.dispatcher.database, datetime.now().astimezone()
    at, turns, losses, announced = 0, 0, 0, 0
    first: tuple[float, int] | None = None
    while at < hours * 3600 * SAMPLE_RATE:
        script.text = COMMANDS[turns % len(COMMANDS)]
        wake.now = True
        for block in (quiet[:FRAME], speech, quiet):
            at = _feed(room, block, at)
        turns += 1
        at = _feed(room, quiet, at)
        at += 60 * SAMPLE_RATE  # a minute without a microphone, as after every turn here: the gap drops what was under way
        losses += 1
        announced += len(scheduler.due(database, began + timedelta(seconds=at / SAMPLE_RATE)))
        if first is None and at > 3600 * SAMPLE_RATE:
            first = _cost()
    announced += len(scheduler.due(database, began + timedelta(seconds=at / SAMPLE_RATE + 3600)))
    last = _cost()
    timers = sum(call.startswith("timer") for call in room.events.calls)
    done, state = len(room.events.calls), room.events.state
    room.close()
    first = first or last
    return Day(at / SAMPLE_RATE / 3600, done, losses, timers, announced, (first[0], last[0]), (first[1], last[1]), state)


class _Script(SpeechEngine):
    """Hears the text that it is given."""

    name = "script"
    text = ""

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        return Transcript(self.text, self.name, 1.0)

    def partial(self, utterance: Utterance) -> str:
        return ""


class _WakeAt:
    """Hears the wake word when it is told to."""

    now = False

    def push(self, frame: AudioFrame) -> str | None:
        heard, self.now = self.now, False
        return "okay_nabu" if heard else None

    def reset(self) -> None:
        pass


def _registry() -> Registry:
    registry = Registry.load(entry_points=False)
    registry.install()
    return registry


def _room(settings: Settings, registry: Registry, engine: SpeechEngine, mode: Mode, wake: object) -> _Room:
    host, voice, events = VoiceHost(), Silent(), Events()
    database = Database(settings.paths.data / DATABASE_NAME, lambda sentence: None)
    router = PhraseRouter(registry) if engine.name == "script" else _router(registry, settings)
    assistant = Assistant(settings, registry, router, Dispatcher(registry, host, database, settings), History(database), lambda registry: engine)
    conversation = Conversation(assistant, voice, events.show, overheard=mode is Mode.CONTINUOUS)
    host.conversation = conversation
    hearing = Hearing(assistant, Patience(registry, PhraseBook.open(registry, settings.paths.cache), settings.audio.silence_ms / 1000))
    return _Room(assistant, hearing, conversation, Listener(Ears(hearing, wake), conversation, voice, events, mode), events)  # type: ignore[arg-type]


def _router(registry: Registry, settings: Settings) -> Router:
    from otto.router import open_router

    return open_router(settings.router.engine, registry, settings)


def _talk(data: Path, hours: float) -> Iterator[Samples]:
    """Recordings of people, synthetic talk and kitchen noise, over and over, each time a little louder or quieter."""
    folder = data / "speech" / "barista"
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    kitchen, others = read_noise(data / "speech" / "noise" / "kitchen.flac"), list(talk(data, "reported"))
    left, gains = hours * 3600 * SAMPLE_RATE, np.random.default_rng(4)
    while True:
        for number, row in enumerate(rows):
            parts = [read_samples(folder / row["audio"]), others[number % len(others)]]
            if number % 10 == 0:
                parts.append(kitchen[: 20 * SAMPLE_RATE])
            for part in parts:
                yield np.clip(part * gains.uniform(0.4, 1.2), -32768, 32767).astype(np.int16)
                left -= len(part)
                if left <= 0:
                    return


def _play(room: _Room, sounds: Iterator[Samples]) -> float:
    at = 0
    for sound in sounds:
        at = _feed(room, sound, at)
    return at / SAMPLE_RATE


def _feed(room: _Room, samples: Samples, at: int) -> int:
    for start in range(0, len(samples) - FRAME + 1, FRAME):
        room.listener.step(AudioFrame(samples[start : start + FRAME], at / SAMPLE_RATE))
        at += FRAME
        if room.hearing.speaking or room.hearing.pending or room.conversation.busy:
            room.settle()
    return at


def _cost() -> tuple[float, int]:
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20, threading.active_count()
