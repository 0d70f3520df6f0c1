"""Synthetic voices: the programs espeak-ng and flite, as far as they are on this machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.noise import read_samples
from otto.errors import AudioError, UsageError
from otto.messages import SAMPLE_RATE

FLITE, ESPEAK = "flite", "espeak-ng"
ESPEAK_VOICES = ("en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+f4")
_SILENCE = 0.3  # seconds before and after the words
_LONGEST = 30.0  # seconds that a voice may take for a sentence
_MEND = "install one with: apt-get install espeak-ng flite (on a Mac: brew install espeak-ng)"


@dataclass(frozen=True)
class Voice:
    """One voice of a program."""

    program: str
    name: str

    def __str__(self) -> str:
        return f"{self.program}:{self.name}"

    def speak(self, text: str, file: Path) -> None:
        """Write the sentence as WAV, 16 kHz mono, with a little silence around it. Raises AudioError."""
        import numpy as np

        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw.wav"
            self._run(text, raw)
            silence = np.zeros(round(_SILENCE * SAMPLE_RATE), np.int16)
            samples = np.concatenate([silence, read_samples(raw), silence])
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(SAMPLE_RATE)
            sound.writeframes(samples.astype("<i2").tobytes())

    def _run(self, text: str, file: Path) -> None:
        if self.program == FLITE:
            command, typed = [FLITE, "-voice", self.name, "-t", text, "-o", str(file)], None
        else:
            command, typed = [ESPEAK, "-v", self.name, "--stdin", "-w", str(file)], text.encode()
        try:
            done = subprocess.run(command, input=typed, capture_output=True, timeout=_LONGEST, check=False)
            reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0] if done.returncode else ""
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            reason = str(error)
        if reason or not file.is_file():
            raise AudioError(f"The voice {self} could not say {text!r} ({reason or 'no sound'})", "leave it out with --voices")


def installed_voices() -> list[Voice]:
    """Every English voice of this machine that can say any sentence."""
    found = [Voice(FLITE, name) for name in _flite_voices()] if shutil.which(FLITE) else []
    return found + ([Voice(ESPEAK, name) for name in ESPEAK_VOICES] if shutil.which(ESPEAK) else [])


def chosen_voices(names: Sequence[str]) -> list[Voice]:
    """The voices of these names, or of these programs; all for no name. Raises UsageError where one is not on this machine, or none is."""
    installed = installed_voices()
    if not installed:
        raise UsageError("There is no synthetic voice on this machine", _MEND)
    known = ", ".join(map(str, installed))
    for name in names:
        if not any(name in (str(voice), voice.program) for voice in installed):
            raise UsageError(f"There is no voice {name} on this machine", f"choose of: {known}")
    return [voice for voice in installed if not names or str(voice) in names or voice.program in names]


def _flite_voices() -> list[str]:
    """Those that it has inside. Left out: a talking clock, which knows no other words, and the 8 kHz twin of a voice that is there in 16."""
    try:
        listed = subprocess.run([FLITE, "-lv"], capture_output=True, timeout=_LONGEST, check=False).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return []
    names = listed.partition(":")[2].split()
    return sorted(name for name in names if not name.endswith("_time") and f"{name}16" not in names)
