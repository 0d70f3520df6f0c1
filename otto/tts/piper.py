"""Piper: neural voices. The program and a voice file are the user's to fetch; Otto brings neither."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from otto.config import NORMAL_RATE
from otto.errors import ModelError
from otto.messages import Sound
from otto.tts.program import Program

if TYPE_CHECKING:
    from typing_extensions import Self

    from otto.config import Settings

FOLDER = "piper"  # in the folder of models


class Piper(Program):
    """The program `piper`, or the package piper-tts, with a voice NAME.onnx and NAME.onnx.json in the models folder.

    Args:
        program: the command that starts it.
        voice: the voice's .onnx file.
        rate: words a minute.
    """

    name = "piper"

    def __init__(self, program: Sequence[str], voice: Path, rate: int = NORMAL_RATE) -> None:
        super().__init__()
        self._program, self.voice, self._rate = program, voice, rate

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The engine with the voice of the settings. Raises ModelError if the program or the voice is not on this machine."""
        wanted = settings.voice
        return cls(_program(), _voice(settings.paths.models / FOLDER, wanted.name if wanted.engine == cls.name else ""), wanted.rate)

    def synthesize(self, sentence: str) -> Sound:
        return super().synthesize(" ".join(sentence.split()))  # to it, a line is a sentence

    def command(self, file: Path) -> Sequence[str]:
        scale = f"{NORMAL_RATE / self._rate:.3f}"
        return [*self._program, "--model", str(self.voice), "--length_scale", scale, "--output_file", str(file)]


def _program() -> list[str]:
    if found := which("piper"):
        return [found]
    if find_spec("piper") is not None:
        return [sys.executable, "-m", "piper"]
    raise ModelError("The voice piper is not installed", "install it with: pip install piper-tts")


def _voice(folder: Path, name: str) -> Path:
    """The voice of that name, or the first. Raises ModelError if it is not there, or is half there."""
    voices = sorted(folder.glob("*.onnx"))
    chosen = [voice for voice in voices if voice.stem == name] if name else voices[:1]
    if not chosen:
        what = f"Piper has no voice {name}" if name else "Piper has no voice"
        raise ModelError(what, f"put its .onnx and .onnx.json files into {folder}")
    if not Path(f"{chosen[0]}.json").exists():
        raise ModelError(f"The piper voice {chosen[0].stem} lacks its description", f"put {chosen[0].name}.json beside it, in {folder}")
    return chosen[0]
