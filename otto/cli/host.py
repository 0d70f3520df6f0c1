"""The user at the terminal: who skills talk to, and who is told what came due."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from otto.cli.output import note, out, plain
from otto.errors import OttoError

if TYPE_CHECKING:
    from otto.assistant import Assistant
    from otto.context import Host
    from otto.reply import Voice

ANNOUNCE_SECONDS = 1.0  # between two looks at what has come due
_YES = ("y", "yes", "j", "ja", "si", "oui")


class TerminalHost:
    """Prints what skills say and asks where somebody can answer.

    Args:
        quiet: the standard output belongs to a program.
        aloud: speaks what skills say, beside the printing.
    """

    def __init__(self, quiet: bool = False, aloud: Callable[[str], None] | None = None) -> None:
        self._say = note if quiet else out
        self._aloud = aloud

    def say(self, text: str) -> None:
        self._say(text)
        if self._aloud:
            self._aloud(text)

    def ask(self, question: str) -> str | None:
        """The answer, None where there is no terminal or its input ends."""
        if not sys.stdin.isatty():
            return None
        sys.stdout.flush()
        print(plain(question), end=" ", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        return answer.strip() if answer else None

    def confirm(self, question: str) -> bool:
        answer = self.ask(f"{question} [y/N]")
        return answer is not None and answer.casefold() in _YES


class Warnings:
    """Tells each trouble once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            note(sentence)


@contextmanager
def opened(
    *,
    router: str | None = None,
    stt: str | None = None,
    speech: bool = False,
    json: bool = False,
    dry_run: bool = False,
    host: Host | None = None,
    aloud: Callable[[str], None] | None = None,
) -> Iterator[Assistant]:
    """The assistant that the settings describe, talking to this terminal or another host. What came due meanwhile is announced first."""
    from otto.assistant import Assistant
    from otto.config import load_settings

    warn = Warnings()
    assistant = Assistant.open(
        load_settings(), host or TerminalHost(json, aloud), router=router, stt=stt, speech=speech, warn=warn
    )
    try:
        for problem in assistant.registry.problems:
            warn(f"A skill was left out: {problem}")
        if not dry_run and host is None:
            announce(assistant, warn)
        yield assistant
    finally:
        assistant.close()


def announce(assistant: Assistant, warn: Callable[[str], None], tell: Callable[[str], None] | None = None) -> None:
    """Say what has come due. A database that cannot be read is a warning: the command itself may not need it."""
    try:
        for sentence in assistant.announcements():
            if tell:
                tell(sentence)
            else:
                note(f"♪ {sentence}", "bold")
    except OttoError as error:
        warn(str(error))


@contextmanager
def speaking() -> Iterator[Voice]:
    """A voice that speaks to its end before this is left; where there is none, the reason is told and the command goes on in text."""
    from otto.audio.speaker import Speaker
    from otto.config import load_settings
    from otto.reply import Voice
    from otto.tts import Chain

    warn, settings, engine = Warnings(), load_settings(), None
    try:
        engine = Chain.open(settings)
    except OttoError as error:
        warn(str(error))
    with Speaker(settings.audio.output) as speaker, Voice(engine, speaker, warn) as voice:
        yield voice
        voice.wait()


@contextmanager
def announcing(assistant: Assistant, tell: Callable[[str], None], warn: Callable[[str], None]) -> Iterator[None]:
    """Announce timers and alarms the second they come due, whatever else is going on, from a thread of its own."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(ANNOUNCE_SECONDS):
            announce(assistant, warn, tell)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(ANNOUNCE_SECONDS)
