"""Spoken replies from end to end: real voices, a real loudspeaker, and what goes wrong with either."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from otto.audio.chime import CHIMES, chime
from otto.audio.speaker import Speaker
from otto.config import Settings, load_settings
from otto.errors import AudioError
from otto.messages import Sound
from otto.reply import Voice
from otto.tts import open_voice
from otto.tts.base import ReplyEngine
from tests.sound import PATIENCE, RATE, SoundServer


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "none.toml", {"OTTO_HOME": str(tmp_path)})


@pytest.fixture
def engine(settings: Settings) -> ReplyEngine:
    found = open_voice(settings)
    if found is None:
        pytest.skip("neither espeak-ng nor flite is installed")
    return found


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def voice(sound_server: SoundServer, engine: ReplyEngine, warnings: list[str]) -> Iterator[Voice]:
    with Speaker() as speaker, Voice(engine, speaker, warnings.append) as voice:
        yield voice


class Beeps:
    """An engine whose sentences are tones of as many hundredths of a second as they have letters; "fail" fails, "hang" waits to be cancelled."""

    name = "beeps"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._cancelled = threading.Event()

    @classmethod
    def open(cls, settings: Settings) -> Beeps:
        return cls()

    def synthesize(self, sentence: str) -> Sound:
        self.asked.append(sentence)
        if "hang" in sentence:
            assert self._cancelled.wait(PATIENCE)
            raise AudioError("The voice beeps was cancelled")
        if "fail" in sentence:
            raise AudioError("The voice beeps failed", "choose another")
        return Sound(np.full(len(sentence) * 160, 9_000, np.int16), 16_000)

    def cancel(self) -> None:
        self._cancelled.set()


def wait_until(found: object) -> None:
    until = time.monotonic() + PATIENCE
    while not found():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.005)


def loud(samples: np.ndarray) -> float:
    """Seconds in which there is sound."""
    return float(np.count_nonzero(np.abs(samples.astype(int)) > 500)) / RATE


def test_a_reply_is_heard_in_full(voice: Voice, sound_server: SoundServer, engine: ReplyEngine, warnings: list[str]) -> None:
    sound_server.record_loudspeaker()
    voice.say("It is seven degrees. Take a coat!")
    assert voice.wait(PATIENCE)
    assert not voice.speaking
    time.sleep(0.2)
    expected = sum(engine.synthesize(part).seconds for part in ("It is seven degrees.", "Take a coat!"))
    heard = np.flatnonzero(np.abs(sound_server.recorded_from_loudspeaker().astype(int)) > 300)
    assert (heard[-1] - heard[0]) / RATE == pytest.approx(expected, abs=0.6)  # voices begin and end with some silence
    assert warnings == []


def test_stop_is_silent_and_the_next_reply_is_heard(voice: Voice, sound_server: SoundServer) -> None:
    sound_server.record_loudspeaker()
    voice.say("One two three four five six seven eight nine ten. Eleven twelve thirteen fourteen.")
    wait_until(lambda: loud(sound_server.recorded_from_loudspeaker()) > 0.3)
    voice.stop()
    assert not voice.speaking
    time.sleep(0.3)  # what the recorder itself holds
    before = len(sound_server.recorded_from_loudspeaker())
    time.sleep(0.5)
    assert loud(sound_server.recorded_from_loudspeaker()[before:]) == 0
    voice.say("Stopped.")
    assert voice.wait(PATIENCE)
    wait_until(lambda: loud(sound_server.recorded_from_loudspeaker()[before:]) > 0.05)


def test_the_second_sentence_is_made_while_the_first_is_heard(sound_server: SoundServer) -> None:
    beeps = Beeps()
    with Speaker() as speaker, Voice(beeps, speaker) as voice:
        voice.say("x" * 200 + ". Another one.")
        wait_until(lambda: len(beeps.asked) == 2)
        assert speaker.seconds_waiting > 1
        assert beeps.asked[1] == "Another one."


def test_an_engine_that_fails_is_told_of_once_and_the_next_reply_is_tried(sound_server: SoundServer, warnings: list[str]) -> None:
    beeps = Beeps()
    with Speaker() as speaker, Voice(beeps, speaker, warnings.append) as voice:
        for _ in range(2):
            voice.say("This will fail. This is not reached.")
            assert voice.wait(PATIENCE)
        assert beeps.asked == ["This will fail."] * 2
        assert warnings == ["The voice beeps failed; choose another."]
        voice.say("Fine.")
        assert voice.wait(PATIENCE)
    assert beeps.asked[-1] == "Fine."


def test_stop_ends_an_engine_at_work_without_a_word(sound_server: SoundServer, warnings: list[str]) -> None:
    with Speaker() as speaker, Voice(Beeps(), speaker, warnings.append) as voice:
        voice.say("This will hang. And this.")
        wait_until(lambda: not voice._waiting or voice._working)
        time.sleep(0.1)
        voice.stop()
        assert voice.wait(PATIENCE)
    assert warnings == []


def test_what_cannot_be_spoken_is_left_out(sound_server: SoundServer) -> None:
    beeps = Beeps()
    with Speaker() as speaker, Voice(beeps, speaker) as voice:
        voice.say("🙂 … \n**Yes**, see https://www.example.com/page?q=1")
        assert voice.wait(PATIENCE)
    assert beeps.asked == ["Yes, see example.com"]


def test_without_an_engine_it_is_silent_but_chimes(sound_server: SoundServer) -> None:
    sound_server.record_loudspeaker()
    with Speaker() as speaker, Voice(None, speaker) as voice:
        voice.say("Nobody hears this.")
        assert not voice.speaking
        voice.play(chime("wake"))
        assert voice.wait(PATIENCE)
    wait_until(lambda: loud(sound_server.recorded_from_loudspeaker()) > 0.05)


def test_without_a_loudspeaker_it_goes_on(sound_server: SoundServer, engine: ReplyEngine, warnings: list[str]) -> None:
    sound_server.stop()
    with Speaker() as speaker, Voice(engine, speaker, warnings.append) as voice:
        voice.say("One. Two.")
        assert voice.wait(PATIENCE)
        voice.say("Three.")
        assert voice.wait(PATIENCE)
    assert len(warnings) == 1
    assert warnings[0].startswith("The loudspeaker cannot be opened") or warnings[0].startswith("There is no loudspeaker")


def test_a_loudspeaker_unplugged_in_a_reply_and_plugged_in_again(voice: Voice, sound_server: SoundServer, warnings: list[str]) -> None:
    voice.say("One two three four five six seven eight nine ten. Eleven twelve thirteen fourteen fifteen sixteen.")
    wait_until(lambda: voice._speaker.busy)
    time.sleep(0.3)
    sound_server.stop()
    assert voice.wait(PATIENCE)
    assert len(warnings) == 1
    assert "loudspeaker" in warnings[0]
    sound_server.start()
    sound_server.record_loudspeaker()
    voice.say("Here I am again.")
    assert voice.wait(PATIENCE)
    wait_until(lambda: loud(sound_server.recorded_from_loudspeaker()) > 0.2)


def test_nothing_is_left_behind(sound_server: SoundServer) -> None:
    before = set(threading.enumerate())
    with Speaker() as speaker, Voice(Beeps(), speaker) as voice:
        voice.say("x" * 300)
        wait_until(lambda: speaker.busy)
    assert set(threading.enumerate()) - before == set()
    assert not speaker.busy


@pytest.mark.parametrize("name", CHIMES)
def test_chimes_are_short_and_end_in_silence(name: str) -> None:
    sound = chime(name)
    assert 0.1 < sound.seconds < 0.6
    assert 3_000 < np.abs(sound.samples).max() < 10_000
    assert sound.samples[0] == sound.samples[-1] == 0
