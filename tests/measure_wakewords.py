"""Measures the wake words: `python -m tests.measure_wakewords SHARED_DATA [reported|tuning] [SENSITIVITY …]`.

Caught: each bundled word, spoken by twelve synthetic voices, clean and with the kitchen's noise at 12 dB; a wake by another word is none.
The cutoffs were chosen with the voices `tuning`; the figures are those of the voices `reported`, which share no voice with them. False:
how often any of the words is heard in human coffee orders (half of the speakers for each part), in two minutes of kitchen noise, and in
sentences that the voices say.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

from eval.noise import active_part, excerpt, mix, read_noise, read_samples
from eval.voices import ESPEAK, FLITE, Voice
from finetune.embedded.score import Share
from otto.audio.wakeword import BUNDLED, WakeWords
from otto.messages import SAMPLE_RATE, AudioFrame

if TYPE_CHECKING:
    from otto.messages import Samples

VOICES = {
    "reported": [
        *(Voice(FLITE, name) for name in ("slt", "rms", "awb")),
        *(Voice(ESPEAK, name) for name in ("en-us+f2", "en-gb+m3", "en-gb-scotland+m7", "en-us+Annie", "en-us+steph", "en-gb+f5", "en-us+Mike", "en-us+Alex", "en-gb-x-rp+m1")),
    ],
    "tuning": [
        Voice(FLITE, "kal16"),
        *(Voice(ESPEAK, name) for name in ("en-us", "en-gb+f1", "en-us+m2", "en-gb+m4", "en-us+f3", "en-gb-x-rp", "en-us+Andy", "en-us+Alicia", "en-gb-scotland+f4", "en-us+m6", "en-us+Lee")),
    ],
}  # fmt: skip
SPOKEN = {"okay_nabu": "okay nabu", "hey_jarvis": "hey jarvis", "alexa": "alexa", "hey_mycroft": "hey mycroft"}
NOISE = 12.0  # dB
LEAD_IN = 1.5  # seconds of near silence before a word: a microphone is open long before it
SENTENCES = 200  # of other talk


@cache
def spoken(voice: Voice, text: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        voice.speak(text, Path(folder) / "said.wav")
        return read_samples(Path(folder) / "said.wav")


def in_a_room(samples: Samples) -> Samples:
    """With sound before and after it as quiet as a quiet room."""
    quiet = np.random.default_rng(0).normal(0, 4, round(LEAD_IN * SAMPLE_RATE)).round().astype(np.int16)
    return np.concatenate([quiet, samples, quiet])


def wakes(words: WakeWords, samples: Samples) -> list[str]:
    found = (words.push(AudioFrame(samples[start : start + 512], start / SAMPLE_RATE)) for start in range(0, len(samples), 512))
    return [word for word in found if word]


def told(share: Share) -> str:
    low, high = share.interval
    return f"{share.count} of {share.n} = {share.value:.1%} (95 % interval {low:.1%} to {high:.1%})"


def caught(voices: Sequence[Voice], sensitivity: float, noise: Samples | None) -> None:
    listening = WakeWords(list(BUNDLED), sensitivity)
    right = dict.fromkeys(BUNDLED, 0)
    missed, others = [], 0
    for seed, voice in enumerate(voices):
        for word, text in SPOKEN.items():
            samples = in_a_room(spoken(voice, text))
            if noise is not None:
                active = active_part(samples)
                samples = mix(samples, excerpt(noise, active, f"{seed}{word}"), active, NOISE).samples
            listening.reset()
            heard = wakes(listening, samples)
            right[word] += word in heard
            others += any(other != word for other in heard)
            missed += [] if word in heard else [f"{voice} {text}"]
    name = "clean" if noise is None else f"{NOISE:g} dB"
    each = ", ".join(f"{word} {count} of {len(voices)}" for word, count in right.items())
    typer.echo(f"sensitivity {sensitivity:g}, {name}: {told(Share(sum(right.values()), len(voices) * len(BUNDLED)))}; {each}; by another word {others}")
    typer.echo(f"  missed: {', '.join(missed)}")


def recordings(data: Path, part: str) -> Iterator[Samples]:
    folder = data / "speech" / "barista"
    for row in map(json.loads, (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()):
        if int(hashlib.sha256(str(row["speaker_cluster"]).encode()).hexdigest(), 16) % 2 == (part == "reported"):
            yield read_samples(folder / row["audio"])


def talk(data: Path, part: str) -> Iterator[Samples]:
    lines = (data / "hwu64_train.jsonl").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines[part == "reported" :: len(lines) // SENTENCES][:SENTENCES]):
        yield spoken(VOICES[part][number % 12], json.loads(line)["text"])


def false_wakes(name: str, sounds: Sequence[Samples], sensitivity: float) -> None:
    listening = WakeWords(list(BUNDLED), sensitivity)
    heard = wakes(listening, np.concatenate(sounds))
    minutes = sum(map(len, sounds)) / SAMPLE_RATE / 60
    typer.echo(f"sensitivity {sensitivity:g}, {name}, {minutes:.1f} minutes: {len(heard)} false wakes {heard}")


def main(data: Path, part: str, sensitivities: Sequence[float]) -> None:
    noise = read_noise(data / "speech" / "noise" / "kitchen.flac")
    others = {"human coffee orders": list(recordings(data, part)), "kitchen": [noise], "synthetic talk": list(talk(data, part))}
    for sensitivity in sensitivities:
        caught(VOICES[part], sensitivity, None)
        caught(VOICES[part], sensitivity, noise)
        for name, sounds in others.items():
            false_wakes(name, sounds, sensitivity)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "reported", [float(value) for value in sys.argv[3:]] or [0.5])
