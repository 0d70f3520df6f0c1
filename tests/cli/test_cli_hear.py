"""`otto hear`: sound files of every kind, good and bad. The speech is real; what the engine hears in it is scripted."""

from __future__ import annotations

import json
import os
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from terminal import Otto

from otto.audio.file import read_audio
from otto.demo import recordings
from otto.messages import SAMPLE_RATE

pytestmark = pytest.mark.usefixtures("table")
Script = Callable[..., None]


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """int16[n], 16 kHz mono: one spoken sentence with silence around it."""
    return np.concatenate([frame.samples for frame in read_audio(recordings()[0].file)])


def write_wav(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.astype("<i2").tobytes())
    return path


def test_a_recording_is_heard_and_done(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray) -> None:
    hears("set a timer for five minutes")
    file = write_wav(tmp_path / "a.wav", speech)
    ran = otto("hear", str(file))
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"{file}  0.")
    assert lines[1:4] == [
        '  heard   "set a timer for five minutes"',
        '  call    timer(duration="5 minutes")',
        "  answer  Timer set for 5 minutes.",
    ]
    assert [part.split()[0] for part in lines[4].removeprefix("  ms      ").split(" · ")] == ["vad", "stt", "route", "dispatch"]


def test_json_adds_what_was_heard_and_the_stages(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray) -> None:
    hears("read my notes", None)
    file = write_wav(tmp_path / "a.wav", np.concatenate([speech, speech]))
    ran = otto("hear", str(file), "--json")
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert first["heard"] == first["text"] == "read my notes"
    assert first["calls"] == [{"name": "notes", "arguments": {"action": "list"}}]
    assert sorted(first["timings"]) == ["dispatch", "route", "stt", "vad"]
    assert first["timings"]["stt"] == 12.0
    assert (second["heard"], second["calls"], second["not_recognized"]) == (None, [{"name": "other", "arguments": {}}], "outside the grammar")
    assert second["start"] > first["start"] + first["seconds"]
    assert first["file"] == str(file)


def test_speech_outside_the_grammar_does_nothing(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray) -> None:
    hears(None)
    ran = otto("hear", str(write_wav(tmp_path / "a.wav", speech)))
    assert ran.code == 3
    assert '  heard   nothing for Otto (outside the grammar; nearest: "tell the time")' in ran.out
    assert "  call    other()" in ran.out
    assert "answer" not in ran.out


def test_dry_run_leaves_no_trace(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray, home: Path) -> None:
    hears("take a note buy milk")
    ran = otto("hear", "--dry-run", str(write_wav(tmp_path / "a.wav", speech)))
    assert (ran.code, "answer" in ran.out, "buy milk" in ran.out) == (0, False, True)
    assert not (home / "data").exists()


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 1), (16_000, 2)])
def test_any_rate_and_stereo_are_heard(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray, rate: int, channels: int) -> None:
    hears("read my notes")
    at = np.arange(0, len(speech), SAMPLE_RATE / rate)
    samples = np.interp(at, np.arange(len(speech)), speech)
    file = write_wav(tmp_path / "a.wav", np.repeat(samples, channels), rate, channels)
    assert otto("hear", str(file)).code == 0


def test_several_files_and_the_bad_one_among_them(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray) -> None:
    hears("read my notes", "read my notes")
    good = [str(write_wav(tmp_path / f"{name}.wav", speech)) for name in "ab"]
    ran = otto("hear", good[0], str(tmp_path / "missing.wav"), good[1])
    assert ran.code == 1
    assert ran.out.count("There are no notes.") == 2
    assert ran.err == f"{tmp_path / 'missing.wav'} does not exist; check the name and the folder.\n"


def test_silence_is_one_sentence_and_nothing_done(otto: Otto, hears: Script, tmp_path: Path) -> None:
    hears()
    file = write_wav(tmp_path / "silence.wav", np.zeros(2 * SAMPLE_RATE, np.int16))
    ran = otto("hear", str(file))
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == f"There is no speech in {file}; listen to it, and record it louder or closer.\n"


def test_a_file_of_three_hours_is_refused_before_anything_is_done(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray) -> None:
    hears("read my notes")
    file = tmp_path / "long.wav"
    write_wav(file, speech)
    data = bytearray(file.read_bytes())
    size = 3 * 3600 * SAMPLE_RATE * 2
    data[4:8] = (size + 36).to_bytes(4, "little")
    data[40:44] = size.to_bytes(4, "little")
    file.write_bytes(data)
    os.truncate(file, 44 + size)  # a hole: it takes no room on the disk
    ran = otto("hear", str(file))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"{file} is longer than 10 minutes, and a command takes seconds; cut out the part with the commands.\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"this is not sound at all, but a text" * 20, "is not a sound file or is damaged"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "is not a sound file or is damaged"),
        ("folder", "is a folder"),
        (None, "does not exist"),
    ],
)
def test_files_that_are_no_sound(otto: Otto, hears: Script, tmp_path: Path, content: bytes | str | None, said: str) -> None:
    hears()
    file = tmp_path / "a.wav"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        file.mkdir()
    ran = otto("hear", str(file))
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_that_may_not_be_read(otto: Otto, hears: Script, tmp_path: Path, speech: np.ndarray) -> None:
    hears()
    file = write_wav(tmp_path / "a.wav", speech)
    file.chmod(0)
    assert "may not be read" in otto("hear", str(file)).err


def test_an_unknown_engine_is_named_with_the_known_ones(otto: Otto, tmp_path: Path) -> None:
    ran = otto("hear", "--stt", "telepathy", str(recordings()[0].file))
    assert ran.code == 2
    assert ran.err.startswith("There is no speech engine telepathy; choose one of: auto, whisper, closed-phrase")


def test_whisper_without_a_model_says_how_to_get_one(otto: Otto) -> None:
    ran = otto("hear", "--stt", "whisper", str(recordings()[0].file))
    assert ran.code == 1
    assert "otto models pull small.en" in ran.err
    assert ran.err.count("\n") == 1


def test_a_damaged_whisper_model_says_how_to_mend_it(otto: Otto, home: Path) -> None:
    folder = home / "models" / "whisper" / "small.en"
    folder.mkdir(parents=True)
    for name in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"):
        (folder / name).write_bytes(b"{}")
    ran = otto("hear", "--stt", "whisper", str(recordings()[0].file))
    assert ran.code == 1
    assert "otto models pull small.en" in ran.err
    assert ran.err.count("\n") == 1
