"""Sound files of every kind, and everything that is none."""

from __future__ import annotations

import math
import os
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from otto.audio.file import read_audio
from otto.errors import AudioError
from otto.messages import SAMPLE_RATE

TONE = 440.0  # Hz


def tone(rate: int, seconds: float = 1.0, channels: int = 1) -> npt.NDArray[np.int16]:
    """int16[n, channels]: a sine of half the full scale on every channel."""
    time = np.arange(round(rate * seconds)) / rate
    return np.repeat((16_000 * np.sin(2 * math.pi * TONE * time)).astype(np.int16)[:, None], channels, axis=1)


def write_wav(path: Path, samples: npt.NDArray[np.int16], rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def write_with(path: Path, codec: str, samples: npt.NDArray[np.int16], rate: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "stereo" if samples.shape[1] == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=stream.layout.name)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for part in av.AudioResampler(format=stream.format, layout=stream.layout, rate=rate, frame_size=stream.frame_size or None).resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def samples_of(path: Path) -> npt.NDArray[np.int16]:
    frames = list(read_audio(path))
    for number, frame in enumerate(frames):
        assert frame.samples.dtype == np.int16 and frame.samples.ndim == 1
        assert frame.start == pytest.approx(number * 512 / SAMPLE_RATE)
    assert all(len(frame.samples) == 512 for frame in frames[:-1])
    return np.concatenate([frame.samples for frame in frames])


def loudest_frequency(samples: npt.NDArray[np.int16]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
def test_any_rate_and_any_number_of_channels(tmp_path: Path, rate: int, channels: int) -> None:
    samples = samples_of(write_wav(tmp_path / "tone.wav", tone(rate, channels=channels), rate))
    assert len(samples) == pytest.approx(SAMPLE_RATE, abs=64)
    assert loudest_frequency(samples) == pytest.approx(TONE, abs=2)
    assert np.abs(samples.astype(int)).max() == pytest.approx(16_000, rel=0.05)


def test_16_khz_mono_comes_through_sample_by_sample(tmp_path: Path) -> None:
    written = np.random.default_rng(0).integers(-32768, 32767, (5_001, 1)).astype(np.int16)
    assert np.array_equal(samples_of(write_wav(tmp_path / "noise.wav", written, SAMPLE_RATE)), written[:, 0])


@pytest.mark.parametrize(("suffix", "codec"), [("flac", "flac"), ("mp3", "libmp3lame"), ("opus", "libopus"), ("m4a", "aac"), ("mkv", "flac")])
def test_any_format(tmp_path: Path, suffix: str, codec: str) -> None:
    samples = samples_of(write_with(tmp_path / f"tone.{suffix}", codec, tone(48_000, channels=2), 48_000))
    assert len(samples) == pytest.approx(SAMPLE_RATE, rel=0.08)  # lossy codecs pad
    assert loudest_frequency(samples) == pytest.approx(TONE, abs=4)


def test_hours_of_sound_are_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    hours = 3
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8_000)
        for _ in range(hours * 6):
            file.writeframes(b"\x80" * 8_000 * 600)
    frames = read_audio(path)
    import tracemalloc

    tracemalloc.start()
    first = [next(frames) for _ in range(100)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    assert first[-1].start == pytest.approx(99 * 512 / SAMPLE_RATE)


def nothing(path: Path) -> None:
    """Leave the path as it is: there is no file."""


def video(path: Path) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (nothing, "does not exist; check the name and the folder"),
        (Path.mkdir, "is a folder; give a sound file"),
        (Path.touch, "is empty; give a sound file"),
        (lambda path: write_wav(path, tone(16_000)[:0], 16_000), "is empty; give a sound file"),
        (lambda path: path.write_text("To be, or not to be. " * 50), "is not a sound file or is damaged; give a sound file"),
        (lambda path: path.write_bytes(bytes(range(256)) * 40), "is not a sound file or is damaged; give a sound file"),
        (lambda path: path.write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt "), "is not a sound file or is damaged; give a sound file"),
        (video, "holds no sound; give a sound file"),
    ],
    ids=["missing", "folder", "empty", "no samples", "text", "bytes", "a header alone", "silent film"],
)
def test_what_is_no_sound_file_is_one_sentence_with_the_mend(tmp_path: Path, make: Callable[[Path], object], sentence: str) -> None:
    path = tmp_path / "command.wav"
    make(path)
    with pytest.raises(AudioError) as caught:
        list(read_audio(path))
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "secret.wav", tone(16_000), 16_000)
    path.chmod(0)
    with pytest.raises(AudioError, match="may not be read; change its permissions: chmod"):
        list(read_audio(path))


def test_a_file_name_that_no_system_takes() -> None:
    with pytest.raises(AudioError, match="cannot be read|does not exist"):
        list(read_audio("a\0b.wav"))


def test_the_sound_before_the_damage_is_read(tmp_path: Path) -> None:
    path = write_with(tmp_path / "tone.flac", "flac", tone(16_000, seconds=4), 16_000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    seconds = 0.0
    try:
        for frame in read_audio(path):
            seconds += len(frame.samples) / SAMPLE_RATE
    except AudioError as error:
        assert "damaged" in str(error)
    assert 1 < seconds < 3
