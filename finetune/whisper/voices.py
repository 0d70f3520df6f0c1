"""Synthetic voices: the programs espeak-ng and flite with a speed and a pitch, and which of them are kept for the test."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otto.errors import AudioError, UsageError

if TYPE_CHECKING:
    from otto.messages import Samples

ESPEAK, FLITE = "espeak-ng", "flite"
MEND = "install it with: apt-get install espeak-ng flite"
_LONGEST = 30.0  # seconds that a voice may take for a sentence
_ACCENTS = ("en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
_TIMBRES = (
    "", "m1", "m2", "m4", "m5", "m7", "m8", "f1", "f2", "f3", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique",
    "Hugo", "Jacky", "Lee", "Marco", "Michael", "Mike", "Nguyen", "anika", "antonio", "aunty", "belinda", "benjamin", "caleb", "david", "ed",
    "edward", "grandma", "grandpa", "gustave", "iven", "iven2", "john", "kaukovalta", "linda", "marcelo", "max", "miguel", "norbert", "pablo",
    "paul", "pedro", "quincy", "robert", "sandro", "steph", "steph2", "travis", "victor", "klatt2", "klatt4",
)  # fmt: skip
_FLITE_VOICES = ("slt", "awb", "kal16")
HELD_OUT_ESPEAK = ("en-us+m3", "en-us+f4", "en-gb+m6", "en-gb+f5", "en-us+adam", "en-gb-x-rp+rob", "en-gb-scotland+boris", "en-us+steph3")
HELD_OUT_FLITE = ("rms",)


@dataclass(frozen=True)
class Voice:
    """A voice of a program and how it speaks."""

    program: str
    name: str
    speed: float = 1.0  # times its usual one
    pitch: float = 1.0  # times its usual one

    def __str__(self) -> str:
        return f"{self.program}:{self.name}"

    def speak(self, text: str) -> Samples:
        """The sentence as int16[n], 16 kHz mono. Raises AudioError."""
        import numpy as np

        from otto.audio.file import read_audio

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "said.wav"
            try:
                command = self._command(text, file)
                done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_LONGEST, check=False)
                reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0] if done.returncode else ""
            except (OSError, subprocess.TimeoutExpired) as error:
                reason = str(error)
            if reason or not file.is_file():
                raise AudioError(f"The voice {self} could not say {text!r} ({reason or 'no sound'})", MEND)
            return np.concatenate([frame.samples for frame in read_audio(file)])

    def _command(self, text: str, file: Path) -> list[str]:
        if self.program == ESPEAK:
            speed, pitch = round(175 * self.speed), round(50 * self.pitch)
            return [ESPEAK, "-v", self.name, "-s", str(speed), "-p", str(pitch), "-w", str(file), "--stdin"]
        stretch = ["--setf", f"duration_stretch={1 / self.speed:.3f}"]
        pitch_mean = [] if self.pitch == 1 else ["--setf", f"int_f0_target_mean={_MEAN_PITCH[self.name] * self.pitch:.0f}"]
        return [FLITE, "-voice", self.name, *stretch, *pitch_mean, "-t", text, "-o", str(file)]


_MEAN_PITCH = {"slt": 170, "awb": 135, "kal16": 105, "rms": 100}  # Hz


def require_voices() -> None:
    """Raises UsageError where a program that speaks is not on this machine."""
    missing = [program for program in (ESPEAK, FLITE) if not shutil.which(program)]
    if missing:
        raise UsageError(f"{' and '.join(missing)} cannot be found", MEND)


def training_voice(rng: random.Random, flite: float) -> Voice:
    """A voice to learn from; a share `flite` of them are flite's, which has few voices but other ones."""
    speed = rng.uniform(0.8, 1.25)
    if rng.random() < flite:
        return Voice(FLITE, rng.choice(_FLITE_VOICES), speed, rng.choice([1.0, rng.uniform(0.75, 1.3)]))
    timbre = rng.choice(_TIMBRES)
    return Voice(ESPEAK, rng.choice(_ACCENTS) + (f"+{timbre}" if timbre else ""), speed, rng.uniform(0.4, 1.6))


def held_out_voices() -> list[Voice]:
    """The voices of the test, none of which is in training, neither with this nor with another accent."""
    return [*(Voice(ESPEAK, name) for name in HELD_OUT_ESPEAK), *(Voice(FLITE, name) for name in HELD_OUT_FLITE)]
