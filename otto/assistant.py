"""The assistant joins the stages: what was said or typed becomes a turn, and each turn is kept in the history."""

from __future__ import annotations

import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from otto import scheduler
from otto.call import Call
from otto.config import Settings
from otto.dispatch import Dispatcher, Host, SilentHost
from otto.errors import OttoError, SkillCancelled, StoreError, UsageError
from otto.history import Entry, History
from otto.log import LOGGER
from otto.messages import SAMPLE_RATE, NotRecognized, Reading, Result, Route, SpeechGrammar, Transcript, Turn, Utterance
from otto.registry import Registry
from otto.router.base import Router
from otto.store import DATABASE_NAME, Database
from otto.stt.base import SpeechEngine

TYPED = "typed"  # stands for the speech engine of a typed command
MAX_TEXT = 2_000  # characters; more is no command
AUDIO_FOLDER = "audio"


class Assistant:
    """Takes one command after another. `warn` is told, in one sentence, what went wrong beside the command itself."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        router: Router,
        dispatcher: Dispatcher,
        history: History,
        open_stt: Callable[[Registry], SpeechEngine] | None = None,
        warn: Callable[[str], None] = LOGGER.warning,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.router = router
        self.dispatcher = dispatcher
        self.history = history
        self._open_stt = open_stt
        self._stt = open_stt(registry) if open_stt else None
        self._warn = warn

    @classmethod
    def open(
        cls,
        settings: Settings,
        host: Host | None = None,
        *,
        router: str | None = None,
        stt: str | None = None,
        speech: bool = False,
        warn: Callable[[str], None] = LOGGER.warning,
    ) -> Assistant:
        """The assistant that the settings describe.

        Args:
            settings: what to use, and where things lie.
            host: who the skills talk through.
            router, stt: engines other than the settings' own.
            speech: whether the speech engine is needed.
            warn: told of trouble that does not stop a command.

        Raises:
            OttoError: an engine cannot be made; the sentence says why and what mends it.
        """
        from otto.router import open_router

        registry = Registry.load(settings.paths.skills)
        registry.install()
        database = Database(settings.paths.data / DATABASE_NAME, warn)
        dispatcher = Dispatcher(registry, host or SilentHost(), database, settings)
        open_stt = _speech_opener(stt or settings.stt.engine, settings) if speech else None
        return cls(
            settings,
            registry,
            open_router(router or settings.router.engine, registry, settings),
            dispatcher,
            History(database),
            open_stt,
            warn,
        )

    def say(self, text: str, dry_run: bool = False) -> Turn:
        """A typed command. With `dry_run` it stops before the skill, and nothing is kept.

        Raises:
            UsageError: the text is too long to be a command.
            OttoError: the router cannot work.
        """
        if len(text) > MAX_TEXT:
            raise UsageError(
                f"A command has at most {MAX_TEXT:,} characters and this has {len(text):,}", "say it in fewer words"
            )
        text = text.encode("utf-8", "replace").decode("utf-8").strip()
        self._refresh()
        heard = Transcript(text, TYPED, 0.0) if text else NotRecognized("nothing was said", TYPED, 0.0)
        reading = self._read(heard, {})
        if reading.route and not dry_run:
            reading = replace(reading, route=self._asked(reading.route))
        return self.act(reading, dry_run=dry_run)

    def hear(self, utterance: Utterance, dry_run: bool = False) -> Turn:
        """A spoken command. With `dry_run` it stops before the skill, and nothing is kept.

        Raises:
            OttoError: the speech engine or the router cannot work.
        """
        return self.act(self.understand(utterance), utterance, dry_run)

    def understand(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Reading:
        """What was said, and the calls that it asks for; nothing is done.

        Args:
            utterance: the sound.
            expected: all that may be said, where that is less than the commands: the answers to a question.

        Raises:
            OttoError: the speech engine or the router cannot work.
        """
        self._refresh()
        heard = self._ears.transcribe(utterance, expected)
        return self._read(heard, {"vad": utterance.vad_ms, "stt": heard.ms})

    def partial(self, utterance: Utterance) -> str:
        """The words so far of a sentence that is still being spoken. Raises OttoError: the speech engine cannot work."""
        return self._ears.partial(utterance)

    def act(self, reading: Reading, utterance: Utterance | None = None, dry_run: bool = False, done: Sequence[Result] = ()) -> Turn:
        """Do what was understood and keep it in the history; with `dry_run` neither.

        Args:
            reading: what was understood.
            utterance: its sound, kept where the settings say so.
            dry_run: stop before the skill.
            done: the results, where the calls have been run already.
        """
        timings = dict(reading.timings)
        results: tuple[Result, ...] = ()
        if reading.route and not dry_run:
            results = tuple(done) or self._dispatch(reading.route, timings)
        turn = Turn(reading.heard, reading.route, results, timings)
        return turn if dry_run else self._kept(turn, utterance)

    def announcements(self) -> list[str]:
        """What has come due and is to be said now: timers and alarms, those too that ran out while Otto was down."""
        return announcements(self.dispatcher.database)

    def close(self) -> None:
        self.dispatcher.close()

    @property
    def _ears(self) -> SpeechEngine:
        if self._stt is None:
            raise OttoError("This assistant was opened without a speech engine", "open it with speech=True")
        return self._stt

    def _read(self, heard: Transcript | NotRecognized, timings: dict[str, float]) -> Reading:
        if isinstance(heard, NotRecognized):
            return Reading(heard, None, timings)
        route = self.router.route(heard.text)
        return Reading(heard, route, {**timings, "route": route.ms})

    def _asked(self, route: Route) -> Route:
        """Where the router is in doubt, what the user says to it. Only of typed commands: to speech it may be a question into the room."""
        if route.doubt and self.dispatcher.confirmed(f"Did you mean {route.doubt}?"):
            return replace(route, calls=(route.doubt,))
        return route

    def _dispatch(self, route: Route, timings: dict[str, float]) -> tuple[Result, ...]:
        start = time.perf_counter()
        results: list[Result] = []
        for call in route.calls:
            results.append(self.dispatcher.run(call))
            if isinstance(results[-1].error, SkillCancelled):  # the user means the whole command
                break
        timings["dispatch"] = (time.perf_counter() - start) * 1000
        return tuple(results)

    def _refresh(self) -> None:
        """Take up what has changed in the user's folder."""
        if self.registry.refresh():
            self.registry.install()
            self.router.update(self.registry)
            if self._open_stt:  # what it listens for comes from the skills
                self._stt = self._open_stt(self.registry)
            for problem in self.registry.problems:
                self._warn(str(problem))

    def _kept(self, turn: Turn, utterance: Utterance | None) -> Turn:
        """The turn with its row in the history. The skill has run: what cannot be kept is a warning, not a failure."""
        try:
            audio = (
                _keep_audio(self.settings.paths.data / AUDIO_FOLDER, utterance)
                if utterance and self.settings.audio.keep
                else None
            )
            return replace(turn, id=self.history.add(turn, audio=str(audio) if audio else None))
        except StoreError as error:
            self._warn(str(error))
            return turn


def undo_last(history: History, dispatcher: Dispatcher) -> tuple[Entry, tuple[Result, ...]]:
    """Take back the newest command that can be; what it did last is taken back first.

    Raises:
        UsageError: there is none.
        StoreError: the history cannot be read or written.
    """
    entry = history.undoable()
    if entry is None:
        raise UsageError("There is nothing to undo", "see `otto history`")
    tried = [((skill, value), dispatcher.undo(skill, value)) for skill, value in reversed(entry.undo)]
    left = [step for step, result in reversed(tried) if not result.ok]
    if left:
        history.keep_undo(entry.id, left)
    else:
        history.mark_undone(entry.id)
    return entry, tuple(result for _, result in tried)


def fix_last(history: History, registry: Registry, call: Call) -> tuple[Entry, Call]:
    """Keep that the newest command should have been this call, for training. Nothing is run.

    Raises:
        UsageError: there is no command to correct, or nothing was heard in it.
        UnknownSkill, InvalidCall: the call is none that could be made.
        StoreError: the history cannot be read or written.
    """
    right = registry.get(call.name).canonical(call)
    entry = history.last()
    if entry is None or not entry.heard:
        raise UsageError("There is no command to correct", "say one first: otto say TEXT")
    history.correct(entry.id, right)
    return entry, right


def announcements(database: Database) -> list[str]:
    """What has come due, each once. Raises StoreError."""
    now = datetime.now().astimezone()
    return [scheduler.announcement(item, now) for item in scheduler.due(database, now)]


def _speech_opener(name: str, settings: Settings) -> Callable[[Registry], SpeechEngine]:
    from otto.stt import open_engine

    return lambda registry: open_engine(name, registry, settings)


def _keep_audio(folder: Path, utterance: Utterance) -> Path:
    """Store the sound of a command as WAV, 16 kHz mono. Raises StoreError."""
    file = folder / f"{datetime.now():%Y%m%d-%H%M%S-%f}.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(SAMPLE_RATE)
            sound.writeframes(utterance.samples.astype("<i2").tobytes())
    except OSError as error:
        raise StoreError(
            f"The sound cannot be kept in {folder} ({error.strerror})",
            "make room, or turn it off: otto config set audio.keep false",
        ) from None
    return file
