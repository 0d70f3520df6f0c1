"""`otto listen`: commands from the microphone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from otto.cli.talk import DryRun, Json, RouterName, SttName

if TYPE_CHECKING:
    from otto.assistant import Assistant
    from otto.audio.microphone import Microphone
    from otto.config import Settings
    from otto.messages import Utterance

PATIENCE = 8.0  # seconds to begin to speak after Enter


def listen(
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Listen all the time; a pause ends a command.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
    router: RouterName = None,
    stt: SttName = None,
) -> None:
    """Do what is said into the microphone: press Enter and speak. Ctrl-C ends it.

    While it runs, timers and alarms are announced when they are due.
    """
    from otto.cli.host import announcing, opened
    from otto.cli.output import emit, heard_json, show_heard
    from otto.config import load_settings

    with _microphone(load_settings()):
        pass  # one that does not work is told of now, before an engine is loaded for nothing
    with opened(router=router, stt=stt, speech=True, json=json, dry_run=dry_run) as assistant, announcing(assistant):
        for utterance in _all_the_time(assistant) if continuous else _at_enter(assistant):
            turn = assistant.hear(utterance, dry_run)
            if json:
                emit({**heard_json(turn), "seconds": round(utterance.seconds, 3)})
            else:
                show_heard(turn)


def _all_the_time(assistant: Assistant) -> Iterator[Utterance]:
    from otto.audio.vad import utterances
    from otto.cli.output import note
    from otto.cli.talk import endpointer

    with _microphone(assistant.settings) as microphone:
        frames = iter(microphone)
        next(frames)
        note("Listening. Ctrl-C ends it.")
        yield from utterances(frames, endpointer(assistant))


def _at_enter(assistant: Assistant) -> Iterator[Utterance]:
    """One utterance for each Enter. The microphone is open only while it is wanted. The end of the input ends it."""
    from otto.cli.output import note

    note("Press Enter and speak; Ctrl-C ends it.")
    while sys.stdin.readline():
        utterance = _next_utterance(assistant)
        if utterance is None:
            note(f"No speech came within {PATIENCE:.0f} seconds; check the microphone with: otto doctor")
        else:
            yield utterance
        note("Press Enter and speak.")


def _next_utterance(assistant: Assistant) -> Utterance | None:
    """What is said next; None where nobody begins to speak."""
    from otto.cli.output import note
    from otto.cli.talk import endpointer

    ends = endpointer(assistant)
    with _microphone(assistant.settings) as microphone:
        until = 0.0
        for frame in microphone:
            if not until:
                note("Listening …")
                until = time.monotonic() + PATIENCE
            if (done := ends.push(frame)) is not None:
                return done
            if time.monotonic() > until and not ends.speaking:
                return None
    return None


def _microphone(settings: Settings) -> Microphone:
    from otto.audio.microphone import Microphone

    return Microphone(settings.audio.input)
