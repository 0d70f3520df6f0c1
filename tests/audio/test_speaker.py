"""The loudspeaker on a real sound server: what is heard, when, and what keeps it from working."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from otto.audio.speaker import Speaker
from otto.errors import AudioError
from otto.messages import Sound
from tests.sound import PATIENCE, RATE, SoundServer, alone, look_again, require_portaudio, sound_server_at


@pytest.fixture(params=[48_000, 44_100])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """A sound server whose loudspeaker has one of two rates."""
    with sound_server_at(tmp_path, monkeypatch, loudspeaker_rate=request.param) as server:
        server.record_loudspeaker()
        yield server


def noise(seconds: float, rate: int, seed: int = 0) -> Sound:
    """Speech-like noise: every part of it is like no other."""
    random = np.random.default_rng(seed)
    smooth = np.convolve(random.standard_normal(round(seconds * rate)), np.ones(rate // 4_000) / (rate // 4_000), "same")
    return Sound((smooth * 6_000).astype(np.int16), rate)


def heard_by(server: SoundServer) -> np.ndarray:
    """What was recorded, from the first sound to the last, once it is complete."""
    time.sleep(0.3)
    samples = server.recorded_from_loudspeaker().astype(float)
    loud = np.flatnonzero(np.abs(samples) > 100)
    return samples[loud[0] : loud[-1] + 1]


def test_sounds_are_heard_one_after_another_without_a_gap(server: SoundServer) -> None:
    sounds = [noise(0.7, 22_050, 1), noise(0.5, 16_000, 2), noise(0.3, 48_000, 3)]
    with Speaker() as speaker:
        for sound in sounds:
            speaker.play(sound)
        assert speaker.busy
        assert speaker.wait(PATIENCE)
        assert not speaker.busy
        heard = heard_by(server)
    assert len(heard) / RATE == pytest.approx(1.5, abs=0.02)


def test_the_reference_is_what_is_heard(server: SoundServer) -> None:
    with Speaker() as speaker:
        start = time.monotonic()
        speaker.play(noise(1.0, 22_050, 1))
        speaker.play(noise(0.5, 16_000, 2))
        assert speaker.wait(PATIENCE)
        end = time.monotonic()
        reference = speaker.reference(start, end).astype(float)
        heard = heard_by(server)
        halves = speaker.reference(start, start + 1.024), speaker.reference(start + 1.024, end)
        assert np.concatenate(halves)[: len(reference)].tolist() == reference.tolist()
        assert not speaker.reference(end + 1, end + 2).any()
        assert not speaker.reference(start - 2, start - 1).any()
    loud = np.flatnonzero(np.abs(reference) > 100)
    played = reference[loud[0] : loud[-1] + 1]
    assert len(played) / RATE == pytest.approx(1.5, abs=0.02)
    length = min(len(heard), len(played)) - 200
    best = max(np.corrcoef(played[lag : lag + length], heard[other : other + length])[0, 1] for lag, other in [(n, 0) for n in range(40)] + [(0, n) for n in range(40)])
    assert best > 0.9


def test_stop_throws_away_what_waits_and_what_the_device_holds(server: SoundServer) -> None:
    with Speaker() as speaker:
        speaker.play(noise(5, 16_000))
        speaker.play(noise(5, 16_000))
        until = time.monotonic() + PATIENCE
        while not server.recorded_from_loudspeaker().any():
            assert time.monotonic() < until
            time.sleep(0.01)
        speaker.stop()
        stopped = time.monotonic()
        assert not speaker.busy
        assert speaker.wait(0)
        before = len(heard_by(server))
        assert before < 5 * RATE
        time.sleep(0.3)
        assert len(heard_by(server)) == before
        assert not speaker.reference(stopped + 0.01, stopped + 1).any()
        speaker.play(noise(0.2, 16_000, 4))
        assert speaker.wait(PATIENCE)
        assert len(heard_by(server)) > before


def test_wait_gives_up_in_time(server: SoundServer) -> None:
    with Speaker() as speaker:
        speaker.play(noise(30, 16_000))
        assert not speaker.wait(0.1)


def test_nothing_to_play(server: SoundServer) -> None:
    with Speaker() as speaker:
        assert not speaker.busy
        speaker.stop()
        speaker.play(Sound(np.zeros(0, np.int16), 16_000))
        assert speaker.wait(PATIENCE)


def test_a_device_that_goes_in_the_middle_and_comes_back(server: SoundServer) -> None:
    with Speaker() as speaker:
        speaker.play(noise(10, 16_000))
        assert not speaker.wait(0.5)
        server.stop()
        with pytest.raises(AudioError, match=r"The loudspeaker has stopped working; plug it in again, or choose another with: otto config set audio\.output NAME"):
            speaker.wait(PATIENCE)
        assert not speaker.busy
        server.start()
        server.record_loudspeaker()
        speaker.play(noise(0.3, 16_000))
        assert speaker.wait(PATIENCE)
        assert len(heard_by(server)) / RATE == pytest.approx(0.3, abs=0.05)


def test_a_device_that_is_not_there(sound_server: SoundServer) -> None:
    with Speaker("no such thing") as speaker, pytest.raises(AudioError) as raised:
        speaker.play(noise(0.1, 16_000))
    assert raised.value.what == "There is no loudspeaker 'no such thing'"


def test_no_loudspeaker_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_portaudio()
    alone(tmp_path, monkeypatch)
    look_again()
    with Speaker() as speaker, pytest.raises(AudioError) as raised:
        speaker.open()
    assert str(raised.value) == "There is no loudspeaker; plug one in; the replies are shown as text."


def test_it_closes_when_it_is_not_used(server: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otto.audio.speaker._IDLE", 0.2)
    with Speaker() as speaker:
        speaker.play(noise(0.1, 16_000))
        assert speaker.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while speaker._stream is not None:
            assert time.monotonic() < until
            time.sleep(0.02)
        speaker.play(noise(0.1, 16_000))
        assert speaker.wait(PATIENCE)
