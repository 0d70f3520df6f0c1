"""Otto does not hear itself, and hears who speaks over it. The figures for many voices and rooms: tests/measure_echo.py."""

from __future__ import annotations

import shutil
import time
from functools import cache
from typing import Any

import numpy as np
import pytest

from otto.audio.echo import LATENCY, EchoCanceller
from otto.audio.echopath import Delay, EchoPath
from otto.audio.file import read_audio
from otto.audio.microphone import Microphone
from otto.audio.resample import resampled
from otto.audio.speaker import Speaker
from otto.audio.vad import Endpointer, utterances
from otto.demo import recordings
from otto.messages import SAMPLE_RATE, AudioFrame, Sound
from otto.tts.programs import Espeak
from tests.measure_echo import echo, frames, pcm, silent_around
from tests.sound import SoundServer

REPLY = "Here are the headlines. A storm is moving over Lisbon. The train drivers go on strike for two days."


@cache
def reply() -> Any:
    """int16[n], 16 kHz mono: about six seconds."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    sound = Espeak("espeak-ng").synthesize(REPLY)
    return resampled(sound.samples, sound.rate, SAMPLE_RATE)


def person() -> Any:
    """A recorded command, int16[n]."""
    return np.concatenate([frame.samples for frame in read_audio(recordings()[0].file)])


def canceller() -> EchoCanceller:
    return EchoCanceller(lambda start, end: np.zeros(0, np.int16))


def cleaned(canceller: EchoCanceller, heard: Any, played: Any) -> Any:
    return np.concatenate([canceller.cancel(pcm(ear), mouth) for ear, mouth in zip(frames(heard), frames(played), strict=True)])


def cut(samples: Any) -> int:
    return len(list(utterances(AudioFrame(frame, 0.0) for frame in frames(samples))))


def test_where_nothing_is_played_all_passes_a_little_later() -> None:
    heard = pcm(np.random.default_rng(0).standard_normal(512 * 40) * 3_000)
    clean = cleaned(canceller(), heard, np.zeros_like(heard))
    late = round(LATENCY * SAMPLE_RATE)
    assert np.abs(clean[late:].astype(int) - heard[:-late]).max() <= 2


@pytest.mark.parametrize("room", [100, 103, 108])
def test_its_own_reply_is_not_heard_in_any_room(room: int) -> None:
    played, heard = silent_around(reply(), echo(reply(), room), np.random.default_rng(1))
    assert cut(pcm(heard)) >= 1
    assert cut(cleaned(canceller(), heard, played)) == 0


def test_replies_in_one_room_whose_delay_changes() -> None:
    one, random = canceller(), np.random.default_rng(2)
    for later in (0, 480, 200):
        played, heard = silent_around(reply(), echo(reply(), 100, later), random)
        assert cut(cleaned(one, heard, played)) == 0


def test_who_speaks_over_it_is_heard() -> None:
    played, heard = silent_around(reply(), echo(reply(), 103), np.random.default_rng(3))
    voice = person().astype(float)
    at = 3 * SAMPLE_RATE
    voice = voice[: len(heard) - at] * (np.abs(heard).max() / np.abs(voice).max())
    heard[at : at + len(voice)] += voice
    one, hits = canceller(), []
    endpointer = Endpointer()
    for index, (ear, mouth) in enumerate(zip(frames(heard), frames(played), strict=True)):
        endpointer.push(AudioFrame(one.cancel(pcm(ear), mouth), 0.0))
        if endpointer.speaking:
            hits.append(index * 512)
            break
    assert hits
    assert at <= hits[0] < at + len(voice)


def test_with_headphones_everything_is_heard() -> None:
    one, voice = canceller(), person()
    played = np.concatenate([reply(), reply()])
    heard = np.random.default_rng(4).standard_normal(len(played)) * 15
    at = len(reply())
    heard[at : at + len(voice)] += voice[: len(heard) - at]
    assert cut(cleaned(one, heard, played)) == cut(heard_alone := pcm(heard)) == 1, len(heard_alone)
    assert not one.is_echo


@pytest.mark.parametrize("delay", [0, 37, 4_800, 9_000])
def test_the_delay_is_found_to_the_sample(delay: int) -> None:
    finder = Delay()
    played = reply() / 32768
    heard = np.concatenate([np.zeros(delay), 0.5 * played])[: len(played)] + np.random.default_rng(5).standard_normal(len(played)) * 0.001
    for ear, mouth in zip(frames(heard), frames(played), strict=True):
        finder.push(ear, mouth, True)
    assert finder.sure
    assert finder.samples == delay


def test_there_is_no_delay_without_an_echo() -> None:
    finder, random = Delay(), np.random.default_rng(6)
    played = reply() / 32768
    for mouth in frames(played):
        finder.push(random.standard_normal(512) * 0.01, mouth, True)
    assert not finder.sure


def test_the_room_is_still_known_after_many_minutes() -> None:
    """Eight minutes of frames: a recursion that lets rounding errors grow breaks down after about five."""
    random, path = np.random.default_rng(7), EchoPath(bands=3, frames=4)
    room = np.array([[0.5, 0.2j, -0.1, 0.05]] * 3)
    played = np.zeros((3, 4), complex)
    for step in range(60_000):
        played = np.roll(played, 1, axis=1)
        played[:, 0] = (random.standard_normal(3) + 1j * random.standard_normal(3)) * (step % 300 < 200)  # with pauses
        noise = 0.001 * (random.standard_normal(3) + 1j * random.standard_normal(3))
        left, echo = path.push((room * played).sum(axis=1) + noise, played[:, 0])
        if step % 300 == 150:
            assert np.abs(left).max() < 0.02, step
            assert np.abs(echo - (room * played).sum(axis=1)).max() < 0.02, step


def test_through_a_real_device(sound_server: SoundServer) -> None:
    """The loudspeaker is heard by the microphone, 6 dB quieter and some time later. What was heard is gone over afterwards: this machine may be busy."""
    sound = Sound(reply(), SAMPLE_RATE)
    with sound_server.loudspeaker_heard_by_microphone(-6, 150), Speaker() as speaker, Microphone() as microphone:
        taken = iter(microphone)
        heard = [(next(taken), time.monotonic()) for _ in range(30)]
        for _ in range(2):
            speaker.play(sound)
            until = time.monotonic() + sound.seconds + 2
            while time.monotonic() < until:
                heard.append((next(taken), time.monotonic()))
        assert cut(np.concatenate([frame.samples for frame, _ in heard])) >= 1
        arrived = iter([when for _, when in heard])
        one = EchoCanceller(speaker.reference, lambda: next(arrived))
        assert cut(np.concatenate([one.clean(frame).samples for frame, _ in heard])) == 0
