"""A real sound device without hardware: a PulseAudio server of one test's own, whose microphone and loudspeaker are null sinks."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from otto.messages import Samples

PATIENCE = 60.0  # seconds; a loaded machine is slow to start
RATE = 16_000  # Hz, of all that goes in and comes out here
MICROPHONE, LOUDSPEAKER = "otto_mic", "otto_out"  # the sinks; the microphone is the monitor of the first


def require_portaudio() -> None:
    try:
        import sounddevice  # noqa: F401
    except OSError:
        pytest.skip("libportaudio2 is not installed")


def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this test reaches a sound server, or one of its own alone."""
    runtime = folder / "pulse"
    runtime.mkdir(mode=0o700, exist_ok=True)
    for name, value in (("XDG_RUNTIME_DIR", folder), ("PULSE_RUNTIME_PATH", runtime), ("HOME", folder), ("LC_ALL", "C")):
        monkeypatch.setenv(name, str(value))


def look_again() -> None:
    """PortAudio looks for devices once, when it is loaded; this has it look anew in this process."""
    import sounddevice

    sounddevice._terminate()
    sounddevice._initialize()


class SoundServer:
    """The server and its two devices. Made by the fixture `sound_server`, or by `sound_server_at`."""

    def __init__(self, microphone_rate: int = RATE, loudspeaker_rate: int = 48_000) -> None:
        modules = (
            "module-native-protocol-unix",
            f"module-null-sink sink_name={LOUDSPEAKER} rate={loudspeaker_rate}",
            f"module-null-sink sink_name={MICROPHONE} rate={microphone_rate} channels=1",
        )
        self._command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *(part for module in modules for part in ("-L", module))]
        self._server: subprocess.Popen[bytes] | None = None
        self._recorder: _Recorder | None = None

    def start(self) -> None:
        """Start the server, or start it anew after `stop`; its devices are the system's default ones."""
        self._server = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while self.pactl("set-default-source", f"{MICROPHONE}.monitor", check=False).returncode:
            assert time.monotonic() < until, "PulseAudio does not start"
            time.sleep(0.05)
        self.pactl("set-default-sink", LOUDSPEAKER)

    def stop(self) -> None:
        """The sound server is gone, and all devices with it."""
        if self._recorder:
            self._recorder.close()
            self._recorder = None
        if self._server:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def pactl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["pactl", *words], capture_output=True, text=True, check=check, timeout=PATIENCE)

    def play_into_microphone(self, samples: Samples, rate: int = RATE, ahead_ms: int = 50) -> None:
        """Have the microphone hear int16[n], mono; returns when all of it was heard.

        The player is so far ahead of what is heard: more of it, and a busy machine does not tear the sound.
        """
        self.start_into_microphone(samples, rate, ahead_ms).wait(PATIENCE + len(samples) / rate)

    def start_into_microphone(self, samples: Samples, rate: int = RATE, ahead_ms: int = 50) -> subprocess.Popen[bytes]:
        """The same, and returns at once."""
        command = ["pacat", "--playback", f"--device={MICROPHONE}", f"--rate={rate}", "--channels=1", "--format=s16le", "--raw", f"--latency-msec={ahead_ms}"]
        player = subprocess.Popen(command, stdin=subprocess.PIPE)
        threading.Thread(target=_feed, args=(player, samples.astype("<i2").tobytes()), daemon=True).start()
        return player

    def record_loudspeaker(self) -> None:
        """Begin to record what the loudspeaker plays; returns when it is recording."""
        if self._recorder is None:
            self._recorder = _Recorder(f"{LOUDSPEAKER}.monitor")
            self._recorder.wait_until_recording()

    def recorded_from_loudspeaker(self) -> Samples:
        """int16[n], 16 kHz mono: all that was recorded since `record_loudspeaker`, silence too."""
        assert self._recorder, "call record_loudspeaker first"
        return self._recorder.samples()

    @contextmanager
    def loudspeaker_heard_by_microphone(self, decibels: float = -6.0, delay_ms: int = 100) -> Iterator[None]:
        """The microphone hears what the loudspeaker plays, so much quieter and so much later."""
        options = f"source={LOUDSPEAKER}.monitor sink={MICROPHONE} latency_msec={delay_ms} adjust_time=0"
        module = self.pactl("load-module", "module-loopback", *options.split()).stdout.strip()
        inputs = self.pactl("list", "short", "sink-inputs").stdout.splitlines()
        for line in inputs:
            if "module-loopback.c" in line:
                self.pactl("set-sink-input-volume", line.split()[0], f"{decibels}dB")
        try:
            yield
        finally:
            self.pactl("unload-module", module, check=False)


class _Recorder:
    """Reads a PulseAudio source from the moment it is made."""

    def __init__(self, source: str) -> None:
        command = ["parec", f"--device={source}", f"--rate={RATE}", "--channels=1", "--format=s16le", "--raw", "--latency-msec=10"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._heard = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_until_recording(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self._heard:
            assert time.monotonic() < until, "the loudspeaker cannot be recorded"
            time.sleep(0.01)

    def samples(self) -> Samples:
        return np.frombuffer(bytes(self._heard[: len(self._heard) // 2 * 2]), "<i2")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as stream:
            while block := os.read(stream.fileno(), 65_536):
                self._heard += block


def _feed(player: subprocess.Popen[bytes], data: bytes) -> None:
    assert player.stdin
    try:
        with player.stdin as stream:
            stream.write(data)
    except BrokenPipeError:
        pass  # the sound server went away, which a test may want


@contextmanager
def sound_server_at(folder: Path, monkeypatch: pytest.MonkeyPatch, **rates: Any) -> Iterator[SoundServer]:
    """A server whose devices have these rates: `microphone_rate`, `loudspeaker_rate`."""
    require_portaudio()
    if not all(map(shutil.which, ("pulseaudio", "pactl", "pacat", "parec"))):
        pytest.skip("pulseaudio and pulseaudio-utils are not installed")
    alone(folder, monkeypatch)
    server = SoundServer(**rates)
    try:
        server.start()
        look_again()
        yield server
    finally:
        server.stop()
