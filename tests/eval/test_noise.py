"""Noise: the ratio that was asked is the ratio that is there."""

from __future__ import annotations

import math
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.noise import active_part, decibels, excerpt, mix, read_noise, read_samples, rms
from otto.errors import AudioError, UsageError
from otto.paths import room

if TYPE_CHECKING:
    from otto.messages import Samples

DEMO = room("skills").parent / "otto" / "assets" / "demo"
RECORDING = DEMO / "01-set-a-timer-for-five-minutes.flac"


def sound(values: object) -> Samples:
    return np.asarray(values, np.int16)


def write(path: Path, samples: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    return path


@given(
    snr=st.floats(-10, 40),
    seed=st.integers(0, 2**32 - 1),
    loudness=st.floats(1500, 9000),
    noisiness=st.floats(10, 9000),
    share=st.floats(0.05, 1),
)
def test_the_ratio_of_the_mixture_is_the_one_asked(snr: float, seed: int, loudness: float, noisiness: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    active = rng.random(4000) < share
    speech = sound(np.clip(rng.normal(0, loudness, 4000), -32767, 32767))
    noise = sound(np.clip(rng.normal(0, noisiness, 4000), -32767, 32767))
    mixed = mix(speech, noise, active, snr)
    # What is left of the mixture without the speech is the noise: measured from the samples, not from the gain.
    signal = mixed.scale * speech[active].astype(float)
    left = mixed.samples[active] - signal
    measured = 10 * math.log10(np.mean(signal**2) / np.mean(left**2))
    assert measured == pytest.approx(snr, abs=0.05)
    assert mixed.samples.min() >= -32767 and mixed.samples.max() <= 32767
    # Nothing was cut off: but for rounding, the mixture is the sum.
    assert np.abs(mixed.samples - (signal_of(speech, mixed.scale) + mixed.gain * noise)).max() <= 0.5 + 1e-6


def signal_of(speech: Samples, scale: float) -> np.ndarray:
    return scale * speech.astype(float)


@pytest.mark.parametrize(
    ("snr", "gain"),
    [(0.0, 2.0), (20.0, 0.2), (-6.020599913279624, 4.0), (40.0, 0.02)],
)
def test_the_gain_of_a_square_wave(snr: float, gain: float) -> None:
    """Amplitudes 1000 and 500: at 0 dB the noise has to be twice as loud (the levels are worked out by hand)."""
    speech, noise = sound([1000, -1000] * 500), sound([500, 500, -500, -500] * 250)
    mixed = mix(speech, noise, np.ones(1000, bool), snr)
    assert mixed.gain == pytest.approx(gain)
    assert mixed.scale == 1


def test_pauses_count_for_nothing() -> None:
    speech, noise = sound([1000, -1000] * 500), sound([300, -300, -300, 300] * 250)
    active = np.arange(1000) < 500
    paused = sound(np.where(active, speech, 0))
    assert mix(paused, noise, active, 12).gain == pytest.approx(mix(speech, noise, np.ones(1000, bool), 12).gain)


def test_what_would_clip_is_made_quieter_as_a_whole() -> None:
    speech, noise = sound([32000, -32000] * 500), sound([1000, -1000] * 500)
    mixed = mix(speech, noise, np.ones(1000, bool), 0)
    assert mixed.samples.max() == 32767
    assert mixed.scale == pytest.approx(32767 / 64000)


@pytest.mark.parametrize(("speech", "noise", "what"), [([0] * 100, [5] * 100, "The recording is silent"), ([5] * 100, [0] * 100, "The noise is silent")])
def test_silence_has_no_ratio(speech: list[int], noise: list[int], what: str) -> None:
    with pytest.raises(AudioError, match=what):
        mix(sound(speech), sound(noise), np.ones(100, bool), 12)


def test_the_active_part_is_where_somebody_speaks() -> None:
    speech = read_samples(RECORDING)
    silence = np.zeros(32_000, np.int16)
    active = active_part(np.concatenate([silence, speech, silence]))
    assert not active[:30_000].any() and not active[-24_000:].any()
    assert active[32_000:-32_000].mean() > 0.5
    assert active_part(silence).all()


def test_an_excerpt_is_drawn_by_its_seed_and_goes_round() -> None:
    noise, active = sound(np.arange(1, 101)), np.ones(250, bool)
    one = excerpt(noise, active, "0:a")
    assert len(one) == 250
    assert list(one) == list(excerpt(noise, active, "0:a"))
    assert list(one) != list(excerpt(noise, active, "1:a"))
    assert set(np.diff(one)) == {1, -99}


def test_a_silent_excerpt_is_not_taken() -> None:
    noise = sound([0] * 900 + [7] * 100)
    active = np.arange(50) < 10
    assert all(excerpt(noise, active, str(seed))[active].any() for seed in range(30))
    with pytest.raises(AudioError, match="silent nearly everywhere"):
        excerpt(sound([0] * 1_000_000 + [7]), active, "b")


def test_rms() -> None:
    assert rms(sound([3, -4, 3, -4])) == pytest.approx(math.sqrt(12.5))
    assert rms(sound([])) == 0
    assert rms(sound([-32768] * 4)) == 32768


@pytest.mark.parametrize(
    ("text", "levels"),
    [("24,12,6", (24, 12, 6)), ("clean, 12", (None, 12)), ("0", (0,)), ("-3.5", (-3.5,)), ("clean", (None,))],
)
def test_decibels(text: str, levels: tuple[float | None, ...]) -> None:
    assert decibels(text) == levels


@pytest.mark.parametrize("text", ["", "loud", "24,,12", "12,12", "clean,clean", "nan", "inf", "-inf", "900", "-31", "12;6"])
def test_no_decibels(text: str) -> None:
    with pytest.raises(UsageError, match="--snr"):
        decibels(text)


def test_files_that_are_no_noise(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not sound", encoding="utf-8")
    silent = write(tmp_path / "silent.wav", sound([0] * 1600))
    for path, what in ((tmp_path / "none.wav", "does not exist"), (tmp_path / "text.wav", "damaged"), (silent, "silent from beginning to end")):
        with pytest.raises(AudioError, match=what):
            read_noise(path)
    assert list(read_noise(write(tmp_path / "noise.wav", sound([1, 2, 3])))) == [1, 2, 3]
