"""Synthetic voices: those of this machine, and what is said where there is none."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from eval.noise import active_part, read_samples
from eval.voices import ESPEAK, FLITE, Voice, chosen_voices, installed_voices
from otto.errors import AudioError, UsageError

PROGRAMS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not on this machine")) for name in (FLITE, ESPEAK)
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_voice_speaks(program: str, tmp_path: Path) -> None:
    voices = [voice for voice in installed_voices() if voice.program == program]
    assert len(voices) >= 3
    for voice in voices[:2]:
        file = tmp_path / "made" / "it.wav"
        voice.speak("-v what's the weather; in $HOME?", file)  # neither an option nor a command
        samples = read_samples(file)
        seconds = len(samples) / 16_000
        assert 1 < seconds < 8
        assert not samples[:3000].any() and not samples[-3000:].any()
        assert active_part(samples).mean() > 0.3
    (first, second) = [tmp_path / f"{number}.wav" for number in (1, 2)]
    voices[0].speak("good morning", first)
    voices[1].speak("good morning", second)
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize("program", PROGRAMS)
def test_voices_are_chosen_by_name_and_by_program(program: str) -> None:
    names = [str(voice) for voice in installed_voices() if voice.program == program]
    assert [str(voice) for voice in chosen_voices([program])] == names
    assert [str(voice) for voice in chosen_voices(names[1:2])] == names[1:2]
    with pytest.raises(UsageError, match=f"There is no voice {program}:nobody on this machine; choose of: "):
        chosen_voices([names[0], f"{program}:nobody"])


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Nothing on the path but these shell scripts."""
    for name, text in scripts.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_without_a_voice_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch)
    assert installed_voices() == []
    with pytest.raises(UsageError, match="There is no synthetic voice on this machine; install one with: apt-get install espeak-ng flite"):
        chosen_voices([])


@pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
def test_a_clock_and_a_twin_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, flite='echo "Voices available: kal awb_time kal16 awb rms slt"')
    assert [str(voice) for voice in installed_voices()] == ["flite:awb", "flite:kal16", "flite:rms", "flite:slt"]


@pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
@pytest.mark.parametrize(("script", "reason"), [("echo broken >&2; exit 3", "broken"), ("exit 0", "no sound")])
def test_a_voice_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str) -> None:
    programs(tmp_path, monkeypatch, espeak_ng=script)
    with pytest.raises(AudioError, match=f"The voice espeak-ng:en-us could not say 'hello' \\({reason}\\)"):
        Voice(ESPEAK, "en-us").speak("hello", tmp_path / "it.wav")
