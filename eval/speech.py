"""Cases that are recordings: noise is mixed in, and speech to text hears them as the assistant does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from eval.cases import Case
from eval.noise import active_part, excerpt, mix, read_noise, read_samples
from eval.runner import Heard
from otto.errors import UsageError
from otto.messages import AudioFrame, Transcript

if TYPE_CHECKING:
    from eval.noise import Mask
    from otto.config import Settings
    from otto.messages import Samples
    from otto.registry import Registry
    from otto.stt.base import SpeechEngine

AT = "@"  # between a recording's id and the level of its noise


def with_noise(cases: Sequence[Case], noise: Path, snrs: Sequence[float | None]) -> list[Case]:
    """Each recording once a level, `ID@12dB`, and once as it is where a level is None; text as it is.

    The levels of one recording stay together when cases are resampled.

    Raises:
        AudioError: the noise cannot be read, or is silent.
        UsageError: there is noise in a recording already.
    """
    read_noise(noise)
    noisy = next((case for case in cases if case.audio and case.snr is not None), None)
    if noisy is not None:
        raise UsageError(f"The recording {noisy.id} ({noisy.where}) has noise already, as its snr says", "leave out --noise")
    return [level for case in cases for level in (_levels(case, snrs) if case.audio else [case])]


def _levels(case: Case, snrs: Sequence[float | None]) -> list[Case]:
    own = replace(case, group=case.group or case.id)
    return [own if snr is None else replace(own, id=f"{case.id}{AT}{snr:g}dB", snr=snr) for snr in snrs]


def open_ear(stt: str, registry: Registry, settings: Settings, noise: Path | None, seed: int) -> SpeechEar:
    """Speech to text for a run. Raises UsageError, ModelError, AudioError."""
    from otto.stt import open_engine

    return SpeechEar(open_engine(stt, registry, settings), settings, read_noise(noise) if noise else None, seed)


class SpeechEar:
    """Hears recordings: noise, voice activity detection with the end-pointing of the settings, speech to text."""

    def __init__(self, engine: SpeechEngine, settings: Settings, noise: Samples | None, seed: int) -> None:
        self.engine = engine
        self._silence = settings.audio.silence_ms / 1000
        self._noise = noise
        self._seed = seed
        self._lock = threading.Lock()  # a decoder hears one thing at a time

    def hear(self, case: Case) -> Heard:
        """The text of each utterance that was recognised. Raises AudioError, ModelError."""
        from otto.audio.vad import Endpointer, utterances

        frame = AudioFrame(self.sound(case), 0.0)
        with self._lock:
            heard = [self.engine.transcribe(part) for part in utterances([frame], Endpointer(trailing_silence=self._silence))]
        return Heard(tuple(item.text for item in heard if isinstance(item, Transcript)), sum(item.ms for item in heard))

    def sound(self, case: Case) -> Samples:
        """What the case sounds like: int16[n], 16 kHz mono. The stretch of noise is the same at every level and in every run of a seed."""
        assert case.audio is not None
        if self._noise is None or case.snr is None:
            return read_samples(case.audio)
        speech, active = _recording(case.audio)
        own = case.id.rpartition(AT)[0] or case.id
        return mix(speech, excerpt(self._noise, active, f"{self._seed}:{own}"), active, case.snr).samples


@lru_cache(maxsize=4)
def _recording(path: Path) -> tuple[Samples, Mask]:
    """The levels of a recording follow each other: it is read once."""
    samples = read_samples(path)
    return samples, active_part(samples)
