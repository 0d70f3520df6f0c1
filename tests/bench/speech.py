"""The recordings of the demo through voice activity detection, speech to text and router, without the skills."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from otto.assistant import Assistant
from otto.audio.file import read_audio
from otto.audio.vad import Endpointer, utterances
from otto.config import Settings
from otto.demo import Recording, opened, recordings
from otto.messages import Route, Turn, Utterance
from tests.bench.figures import Heard, Speech
from tests.bench.measure import reason, rest


def measured(settings: Settings, passes: int) -> Speech:
    """The figures, or why there are none."""
    try:
        return hear_all(settings, passes)
    except Exception as error:  # noqa: BLE001  whatever it is, the other figures are to be written
        return Speech(missing=reason(error))


def hear_all(settings: Settings, passes: int) -> Speech:
    """Every recording, so many times, with the engines of the settings. Raises OttoError where one of them cannot work."""
    started = time.perf_counter()
    with opened(settings) as assistant:
        engine, router = "", assistant.router.name
        clips = [(recording, _utterances(assistant, recording.file)) for recording in recordings()]
        ready = time.perf_counter() - started
        for _, parts in clips[:2]:  # warm
            _hear(assistant, parts)
        rest()
        heard: list[Heard] = []
        for _ in range(passes):
            for recording, parts in clips:
                turns = list(_hear(assistant, parts))
                engine = turns[0][0].heard.engine if turns else engine
                heard.append(_joined(recording, turns))
    silence = float(settings.audio.silence_ms)
    return Speech(engine, router, len(clips), ready, silence, tuple(heard))


def _utterances(assistant: Assistant, file: Path) -> list[Utterance]:
    ends = Endpointer(trailing_silence=assistant.settings.audio.silence_ms / 1000)
    return list(utterances(read_audio(file), ends))


def _hear(assistant: Assistant, parts: list[Utterance]) -> Iterator[tuple[Turn, float, float]]:
    """Turns with the CPU milliseconds of the whole and the seconds of speech."""
    for part in parts:
        cpu = time.process_time()
        turn = assistant.hear(part, dry_run=True)
        yield turn, (time.process_time() - cpu) * 1000, part.seconds


def _joined(recording: Recording, turns: list[tuple[Turn, float, float]]) -> Heard:
    routes = [turn.route for turn, _, _ in turns if turn.route]
    return Heard(
        seconds=sum(seconds for _, _, seconds in turns),
        cpu=sum(cpu for _, cpu, _ in turns),
        stt=sum(turn.heard.ms for turn, _, _ in turns),
        route=sum(route.ms for route in routes),
        right=_calls(routes) == ([] if recording.call.name == "other" else [recording.call]),
    )


def _calls(routes: list[Route]) -> list[object]:
    return [call for route in routes for call in route.calls if call.name != "other"]
