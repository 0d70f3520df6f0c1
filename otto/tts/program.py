"""Speech programs: text in on the standard input, a WAV file out; one that hangs is killed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from otto.errors import AudioError, ModelError
from otto.messages import Sound

if TYPE_CHECKING:
    from otto.messages import Samples

_DEADLINE = 15.0  # seconds for one sentence; the slowest voices speak faster than that
CHOOSE = "choose another voice: otto config set voice.engine NAME"


class Program:
    """Base of the engines that run a program for each sentence."""

    name: str
    deadline = _DEADLINE

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def synthesize(self, sentence: str) -> Sound:
        """Speak one sentence. Raises AudioError if that fails, takes too long, or is cancelled."""
        with tempfile.TemporaryDirectory(prefix="otto-voice-", ignore_cleanup_errors=True) as folder:
            file = Path(folder) / "sentence.wav"
            said = self._run(self.command(file), sentence.encode("utf-8", "replace"), self.environment(file))
            try:
                return read_wav(file.read_bytes() if file.exists() else said)
            except (wave.Error, EOFError, ValueError, OSError):
                raise AudioError(f"The voice {self.name} gave no sound", CHOOSE) from None

    def cancel(self) -> None:
        """End a `synthesize` that is going on in another thread."""
        running = self._running
        if running is not None:
            running.kill()

    def command(self, file: Path) -> Sequence[str]:
        """The program and its arguments; it writes WAV to `file` or to its standard output."""
        raise NotImplementedError

    def environment(self, file: Path) -> Mapping[str, str]:
        """Variables that the program is given beside those of Otto."""
        return {}

    def _run(self, command: Sequence[str], text: bytes, environment: Mapping[str, str]) -> bytes:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment}
            )
        except OSError as error:
            raise AudioError(f"The voice {self.name} cannot be started ({error.strerror})", CHOOSE) from None
        self._running = process
        try:
            said, complaint = process.communicate(text, self.deadline)
        except subprocess.TimeoutExpired:
            raise AudioError(f"The voice {self.name} did not answer within {self.deadline:g} seconds", CHOOSE) from None
        finally:
            self._running = None
            process.kill()
            process.wait()
        if process.returncode:
            lines = complaint.decode("utf-8", "replace").strip().splitlines()
            raise AudioError(f"The voice {self.name} failed ({lines[-1] if lines else process.returncode})", CHOOSE)
        return said


def find_program(name: str, mend: str) -> str:
    """Where the program is. Raises ModelError if it is not on this machine."""
    found = shutil.which(name)
    if found is None:
        raise ModelError(f"The voice {name} is not installed", mend)
    return found


def read_wav(data: bytes) -> Sound:
    """WAV of 16 bit samples, the channels mixed; a length that is a lie, as programs write into a pipe, does no harm.

    Raises:
        ValueError, EOFError, wave.Error: it is no such WAV, or holds no sound.
    """
    with wave.open(io.BytesIO(data)) as file:
        if file.getsampwidth() != 2:
            raise ValueError("not 16 bit")
        rate, channels = file.getframerate(), file.getnchannels()
        raw = file.readframes(len(data))
    samples: Samples = np.frombuffer(raw[: len(raw) // (2 * channels) * 2 * channels], "<i2").astype(np.int16)
    if not len(samples):
        raise ValueError("no sound")
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    return Sound(samples, rate)
