"""The speech programs of the desktop systems: espeak-ng, flite, macOS's say, Windows's SAPI."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from otto.config import NORMAL_RATE
from otto.errors import ModelError
from otto.tts.program import CHOOSE, Program, find_program

if TYPE_CHECKING:
    from typing_extensions import Self

    from otto.config import Settings


class ProgramWithVoice(Program):
    """A program that is told the voice and the rate in its arguments.

    Args:
        program: where it is.
        voice: its own name for a voice; empty is its default.
        rate: words a minute.
    """

    mend = CHOOSE
    system = ""  # of sys.platform, where it belongs to one system
    program = ""

    def __init__(self, program: str, voice: str = "", rate: int = NORMAL_RATE) -> None:
        super().__init__()
        self.path, self.voice, self.rate = program, voice, rate

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The engine with the voice of the settings. Raises ModelError if its program or its voice is not on this machine."""
        if cls.system and sys.platform != cls.system:
            raise ModelError(f"The voice {cls.name} is of another system", CHOOSE)
        wanted = settings.voice
        return cls(find_program(cls.program, cls.mend), wanted.name if wanted.engine == cls.name else "", wanted.rate)


class Espeak(ProgramWithVoice):
    """eSpeak NG: small, quick, a hundred languages, sounds like a robot."""

    name = program = "espeak-ng"
    mend = "install it with: apt install espeak-ng (on a Mac: brew install espeak-ng)"

    def command(self, file: Path) -> Sequence[str]:
        return [self.path, "-b", "1", "-v", self.voice or "en-us", "-s", str(self.rate), "--stdin", "--stdout"]


class Flite(ProgramWithVoice):
    """CMU Flite: a small English voice that sounds more like a person."""

    name = program = "flite"
    mend = "install it with: apt install flite"

    @classmethod
    def open(cls, settings: Settings) -> Self:
        engine = super().open(settings)
        if engine.voice and engine.voice not in engine.voices():  # flite itself would take another in silence
            mend = f"choose one of {', '.join(engine.voices())}: otto config set voice.name NAME"
            raise ModelError(f"Flite has no voice {engine.voice}", mend)
        return engine

    def voices(self) -> list[str]:
        """The names of those inside."""
        listed = subprocess.run([self.path, "-lv"], capture_output=True, timeout=self.deadline, check=False)
        return listed.stdout.decode("utf-8", "replace").partition(":")[2].split()

    def command(self, file: Path) -> Sequence[str]:
        stretch = f"duration_stretch={NORMAL_RATE / self.rate:.3f}"
        return [self.path, "-voice", self.voice or "slt", "--setf", stretch, "-o", str(file)]


class Say(ProgramWithVoice):
    """macOS's own voices."""

    name = program = "say"
    system = "darwin"

    def command(self, file: Path) -> Sequence[str]:
        voice = ["-v", self.voice] if self.voice else []
        return [self.path, *voice, "-r", str(self.rate), "-f", "-", "--file-format=WAVE", "--data-format=LEI16@22050", "-o", str(file)]


class Sapi(ProgramWithVoice):
    """Windows's own voices, through System.Speech. The voice and the file are handed over as variables, never as code."""

    name = "sapi"
    program = "powershell"
    system = "win32"
    _SCRIPT = """
    $ErrorActionPreference = 'Stop'
    Add-Type -AssemblyName System.Speech
    $reader = New-Object IO.StreamReader([Console]::OpenStandardInput(), [Text.Encoding]::UTF8)
    $voice = New-Object System.Speech.Synthesis.SpeechSynthesizer
    if ($env:SPEECH_VOICE) { $voice.SelectVoice($env:SPEECH_VOICE) }
    $voice.Rate = [int]$env:SPEECH_RATE
    $voice.SetOutputToWaveFile($env:SPEECH_FILE)
    $voice.Speak($reader.ReadToEnd())
    $voice.Dispose()
    """

    def command(self, file: Path) -> Sequence[str]:
        return [self.path, "-NoProfile", "-NonInteractive", "-Command", self._SCRIPT]

    def environment(self, file: Path) -> Mapping[str, str]:
        steps = round(10 * math.log(self.rate / NORMAL_RATE, 3))  # its rates -10 to 10 are a third to three times the speed
        return {"SPEECH_VOICE": self.voice, "SPEECH_RATE": str(max(-10, min(10, steps))), "SPEECH_FILE": str(file)}
