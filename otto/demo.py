"""Recorded commands through the whole chain: voice activity detection, speech to text, router, dispatch.

It works on a data folder that is thrown away: no note, timer or history entry of the user's is touched.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otto.assistant import Assistant
from otto.call import Call
from otto.config import Settings
from otto.errors import StoreError
from otto.messages import NotRecognized, Turn
from otto.paths import PACKAGE

FOLDER = PACKAGE / "assets" / "demo"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Recording:
    """One command, and what it is to become."""

    file: Path
    text: str  # what is said
    call: Call  # `other()` where it is not for Otto
    voice: str  # "slt (flite 2.2)"


@dataclass(frozen=True)
class Outcome:
    """What became of one recording."""

    recording: Recording
    turn: Turn
    problem: str = ""  # what is not as it should be


def recordings() -> list[Recording]:
    """The recordings that the package ships. Raises StoreError where they are missing or damaged."""
    try:
        rows = json.loads((FOLDER / MANIFEST).read_text(encoding="utf-8"))["recordings"]
        return [
            Recording(FOLDER / row["file"], row["text"], Call.parse(row["call"]), f"{row['voice']} ({row['engine']})")
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"The recordings of the demo cannot be read ({error})", "install otto-assistant anew"
        ) from None


@contextmanager
def opened(settings: Settings, router: str | None = None, stt: str | None = None) -> Iterator[Assistant]:
    """An assistant with the bundled skills and the engines of the settings, on a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="otto-demo-", ignore_cleanup_errors=True) as folder:
        paths = settings.paths.model_copy(update={"data": Path(folder), "skills": Path(folder) / "skills"})
        audio = settings.audio.model_copy(update={"keep": False})
        assistant = Assistant.open(
            settings.model_copy(update={"paths": paths, "audio": audio}), router=router, stt=stt, speech=True
        )
        try:
            yield assistant
        finally:
            assistant.close()


def play(assistant: Assistant) -> Iterator[Outcome]:
    """Hear one recording after another."""
    for recording in recordings():
        turn = _hear(assistant, recording.file)
        yield Outcome(recording, turn, _problem(recording, turn))


def _hear(assistant: Assistant, file: Path) -> Turn:
    from otto.audio.file import read_audio
    from otto.audio.vad import Endpointer, utterances

    ends = Endpointer(trailing_silence=assistant.settings.audio.silence_ms / 1000)
    turns = [assistant.hear(utterance) for utterance in utterances(read_audio(file), ends)]
    return (
        max(turns, key=lambda turn: turn.acted)
        if turns
        else Turn(NotRecognized("silence", "voice activity detection", 0.0), None)
    )


def _problem(recording: Recording, turn: Turn) -> str:
    calls = turn.route.calls if turn.route else (Call("other"),)
    if calls != (recording.call,):
        return f"{recording.call} was expected"
    if recording.call.name != "other" and not turn.acted:
        return "the skill was to do its work"
    return ""


def as_json(outcome: Outcome) -> dict[str, Any]:
    """What `otto demo --json` adds to a turn."""
    recording = outcome.recording
    return {
        "file": recording.file.name,
        "said": recording.text,
        "voice": recording.voice,
        "expected": {"name": recording.call.name, "arguments": dict(recording.call.arguments)},
        "as_expected": not outcome.problem,
    }
