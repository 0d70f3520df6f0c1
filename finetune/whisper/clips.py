"""Clips: a sentence in a voice, made worse as rooms and microphones do, and its log-mel features kept on the disk."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.whisper.texts import Texts
from finetune.whisper.voices import Voice, training_voice
from otto.messages import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]  # [n], 16 kHz mono, -1 to 1
    Features = npt.NDArray[np.float16]  # (80, frames), log-mel as faster-whisper computes it, 10 ms a frame

BLOCK = 2000  # clips of a file
FLITE = 0.25  # of the clips


@dataclass(frozen=True)
class ClipSettings:
    """How many sentences are made, and how many of all are spoken."""

    sampled: int = 9000  # tries for a sentence of a template with other values
    loose: int = 4000  # sentences of words in no order
    clips: int = 18_000
    seed: int = 7
    workers: int = 1


@dataclass(frozen=True)
class Clip:
    """What is to be made. No text: noise or tones in which nothing is said."""

    text: str
    voice: Voice | None
    seed: int


def plan(texts: Texts, settings: ClipSettings) -> list[Clip]:
    """From every sentence of the examples in two voices, every other one in one, and sounds without speech, in random order."""
    rng = random.Random(settings.seed)
    said = [*texts.own, *texts.own, *texts.sampled, *texts.loose]
    clips = [Clip(text, training_voice(rng, FLITE), rng.randrange(2**31)) for text in said]
    clips += [Clip("", None, rng.randrange(2**31)) for _ in range(len(said) // 40)]
    rng.shuffle(clips)
    return clips[: settings.clips]


def make_clips(clips: Sequence[Clip], folder: Path, workers: int, say: Callable[[str], None]) -> list[Path]:
    """Write the features in files of `BLOCK` clips; those that are there already are not made again.

    Raises:
        AudioError: a voice cannot speak.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with ProcessPoolExecutor(workers) as pool:
        for first in range(0, len(clips), BLOCK):
            file = folder / f"{first:06}.npz"
            files.append(file)
            if not file.exists():
                say(f"Clips {first} to {min(first + BLOCK, len(clips))} of {len(clips)}")
                block = list(clips[first : first + BLOCK])
                _write(file, block, list(pool.map(features_of, block, chunksize=25)))
    return files


def read_clips(files: Sequence[Path]) -> Iterator[tuple[str, Features]]:
    """The sentence and the features of each clip."""
    import numpy as np

    for file in files:
        with np.load(file) as stored:
            frames, ends = stored["frames"], stored["ends"]
            texts = json.loads(str(stored["texts"]))
        yield from zip(texts, np.split(frames, ends[:-1], axis=1), strict=True)


def _write(file: Path, clips: Sequence[Clip], features: Sequence[Features]) -> None:
    import numpy as np

    part = file.with_suffix(".part.npz")
    ends = np.cumsum([item.shape[1] for item in features])
    np.savez(part, frames=np.concatenate(features, axis=1), ends=ends, texts=json.dumps([clip.text for clip in clips]))
    part.replace(file)


def features_of(clip: Clip) -> Features:
    """Speak a clip, or make a noise, and compute its features. Raises AudioError."""
    import numpy as np

    rng = np.random.default_rng(clip.seed)
    sound = worsened((clip.voice.speak(clip.text) / 32768).astype(np.float32), rng) if clip.voice else no_speech(rng)
    return log_mel(sound)


def log_mel(sound: Sound) -> Features:
    """What faster-whisper shows its model of a sound."""
    import numpy as np

    features: Features = _extractor()(sound)[:, :-1].astype(np.float16)  # the last frame is its padding's
    return features


@cache
def _extractor() -> Any:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor()


def worsened(sound: Sound, rng: np.random.Generator) -> Sound:
    """Faster or slower by a tenth (which moves the formants too), narrower, louder or softer, in a pause, and half of the time in noise."""
    import numpy as np
    from scipy import signal

    sound = _trimmed(sound)
    step = rng.uniform(0.9, 1.1)
    sound = np.interp(np.arange(0, len(sound) - 1, step), np.arange(len(sound)), sound).astype(np.float32)
    if rng.random() < 0.3:
        low, high = rng.uniform(60, 300), rng.uniform(3200, 7500)
        sound = signal.sosfilt(signal.butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos"), sound).astype(np.float32)
    before, after = (round(rng.uniform(0, 0.5) * SAMPLE_RATE) for _ in range(2))
    sound = np.pad(sound, (before, after))
    sound *= rng.uniform(0.05, 0.9) / max(float(np.abs(sound).max()), 1e-3)
    if rng.random() < 0.6:
        snr = rng.uniform(8, 45)  # dB
        sound += _noise(len(sound), rng) * float(np.sqrt(np.mean(sound**2))) * 10 ** (-snr / 20)
    return np.clip(sound, -1, 1)


def no_speech(rng: np.random.Generator) -> Sound:
    """Silence, noise, or chords and their melodies, of one to six seconds."""
    import numpy as np

    count = round(rng.uniform(1, 6) * SAMPLE_RATE)
    level = 10 ** rng.uniform(-4, -0.5)
    kind = rng.choice(["silence", "noise", "tones"], p=[0.2, 0.4, 0.4])
    if kind == "silence":
        return np.zeros(count, np.float32)
    return level * (_noise(count, rng) * 0.3 if kind == "noise" else _tones(count, rng))


def _trimmed(sound: Sound) -> Sound:
    """Without the silence around the words."""
    import numpy as np

    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound


def _noise(count: int, rng: np.random.Generator) -> Sound:
    """Noise of power 1 whose spectrum falls with frequency, between white and brown."""
    import numpy as np

    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20 * count / SAMPLE_RATE) ** rng.uniform(0, 1)
    noise: Sound = np.fft.irfft(spectrum, count).astype(np.float32)
    noise /= np.sqrt(np.mean(noise**2))
    return noise


def _tones(count: int, rng: np.random.Generator) -> Sound:
    """One to four notes at a time, with harmonics, each held for a tenth of a second to a second and dying away."""
    import numpy as np

    time = np.arange(count) / SAMPLE_RATE
    sound = np.zeros(count)
    for _ in range(rng.integers(1, 5)):
        length = rng.uniform(0.1, 1.0)
        notes = 110 * 2 ** (rng.integers(0, 36, int(time[-1] / length) + 1) / 12)
        phase = np.cumsum(notes[(time / length).astype(int)]) / SAMPLE_RATE
        decay = np.exp(-(time % length) * rng.uniform(0, 4))
        for harmonic in range(1, rng.integers(2, 6)):
            sound += np.sin(2 * np.pi * harmonic * phase) * decay / harmonic
    return (sound / np.abs(sound).max()).astype(np.float32)
