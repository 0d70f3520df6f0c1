"""The microphone, on a real sound server whose sound we play ourselves, and everything that keeps one from working."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.sound import PATIENCE, SoundServer, alone, look_again, require_portaudio, sound_server_at

# In a process of its own: PortAudio looks for devices once, when it is loaded.
RECORD = """
import sys
import numpy as np
from otto.audio.microphone import Microphone
from otto.errors import OttoError

try:
    with Microphone(sys.argv[1]) as microphone:
        frames = iter(microphone)
        first = next(frames)
        print("recording", flush=True)
        taken = [next(frames) for _ in range(int(sys.argv[2]))]
except OttoError as error:
    sys.exit(f"{type(error).__name__}: {error}")
assert [round((frame.start - first.start) / 0.032) for frame in taken] == list(range(1, len(taken) + 1))
sys.stdout.buffer.write(np.concatenate([frame.samples for frame in taken]).tobytes())
"""


def recorder(device: str = "", frames: int = 1) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RECORD, device, str(frames)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def complaint(process: subprocess.Popen[bytes]) -> str:
    """The error of a recorder that could not record; ALSA's own chatter on the same stream is left out."""
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert b"Traceback" not in error
    return error.decode().strip().splitlines()[-1]


@pytest.fixture
def quiet_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a sound server."""
    require_portaudio()
    alone(tmp_path, monkeypatch)
    look_again()
    return tmp_path


@pytest.fixture(params=[16_000, 44_100])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """A sound server whose microphone has one of two rates."""
    with sound_server_at(tmp_path, monkeypatch, microphone_rate=request.param) as server:
        yield server


def test_what_is_played_is_recorded(server: SoundServer) -> None:
    played = (8000 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000) * np.hanning(32_000)).astype(np.int16)
    process = recorder(frames=120)
    assert process.stdout and process.stdout.readline() == b"recording\n"
    server.play_into_microphone(played, ahead_ms=2000)
    sound, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, error
    recorded = np.frombuffer(sound, np.int16)
    assert len(recorded) == 120 * 512
    heard = np.correlate(recorded.astype(float), played[8_000:24_000].astype(float), "valid")
    best = recorded[heard.argmax() : heard.argmax() + 16_000]
    assert np.corrcoef(best, played[8_000:24_000])[0, 1] > 0.98


def test_a_device_that_is_not_there(server: SoundServer) -> None:
    for device in ("no such thing", "99"):
        message = complaint(recorder(device))
        assert message.startswith("AudioError: There is no microphone ")
        assert message.endswith("choose one with: otto config set audio.input NAME.")


def test_no_microphone_at_all(quiet_machine: Path) -> None:
    if any(device["max_input_channels"] for device in __import__("sounddevice").query_devices()):
        pytest.skip("this machine has a microphone")
    assert complaint(recorder()) == "AudioError: There is no microphone; plug one in, or give a sound file: otto hear FILE."


def test_a_microphone_that_falls_silent(server: SoundServer) -> None:
    process = recorder(frames=10_000)
    assert process.stdout and process.stdout.readline() == b"recording\n"
    server.stop()
    assert complaint(process).startswith("AudioError: The microphone gives no sound; plug it in again")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ('PortAudioError("Error opening InputStream: Device unavailable", -9985)', "The microphone is taken by another program; close that one, or choose another with: otto config set audio.input NAME."),
        ('PortAudioError("Error opening InputStream: Unanticipated host error", -9999)', "The microphone cannot be opened (Error opening InputStream: Unanticipated host error); choose another with: otto config set audio.input NAME."),
    ],
)
def test_a_microphone_that_cannot_be_opened(error: str, sentence: str) -> None:
    """PortAudio's answers that no null sink gives: played by a stand-in for sounddevice, in a process of its own."""
    code = f"""
    import sys, types
    class PortAudioError(Exception): pass
    def refuse(**options): raise {error}
    sys.modules["sounddevice"] = types.SimpleNamespace(
        PortAudioError=PortAudioError, InputStream=refuse, query_devices=lambda *which: [{{"max_input_channels": 1}}])
    from otto.audio.microphone import Microphone
    try:
        Microphone().__enter__()
    except Exception as error:
        print(type(error).__name__, error)
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == f"AudioError {sentence}"


def test_portaudio_missing() -> None:
    code = """
    import sys
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")
    sys.meta_path.insert(0, Finder())
    from otto.audio.microphone import Microphone
    try:
        Microphone().__enter__()
    except Exception as error:
        print(type(error).__name__, error)
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "AudioError The PortAudio library is missing; install it with: apt install libportaudio2 (or dnf install portaudio)."


@pytest.mark.parametrize(("channels", "mean"), [(2, 300), (4, 100)])
def test_a_device_that_dictates_rate_and_channels(channels: int, mean: int) -> None:
    """No null sink refuses anything: a stand-in for sounddevice does. Of two channels the mean is taken, of more the first."""
    code = f"""
    import sys, types
    import numpy as np
    class PortAudioError(Exception): pass
    class InputStream:
        def __init__(self, samplerate, blocksize, device, channels, dtype, callback, finished_callback):
            if samplerate != 48000: raise PortAudioError("Invalid sample rate", -9997)
            if channels != {channels}: raise PortAudioError("Invalid number of channels", -9998)
            self.send = lambda: callback(np.tile(np.array([100, 500, 0, 0][:channels], np.int16), (blocksize, 1)), blocksize, None, status)
        def start(self):
            for _ in range(40): self.send()
        def close(self): pass
    status = types.SimpleNamespace(input_overflow=False)
    about = {{"max_input_channels": {channels}, "default_samplerate": 48000.0}}
    sys.modules["sounddevice"] = types.SimpleNamespace(
        PortAudioError=PortAudioError, InputStream=InputStream, query_devices=lambda *which: about if which else [about])
    from otto.audio.microphone import Microphone
    with Microphone() as microphone:
        frames = iter(microphone)
        taken = [next(frames) for _ in range(30)]
    print([len(frame.samples) for frame in taken] == [512] * 30, int(np.median(taken[20].samples)))
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == f"True {mean}"


def test_an_overflow_in_portaudio_is_counted() -> None:
    code = """
    import sys, types
    import numpy as np
    class PortAudioError(Exception): pass
    class InputStream:
        def __init__(self, blocksize, callback, **options):
            self.send = lambda lost: callback(np.zeros((blocksize, 1), np.int16), blocksize, None, types.SimpleNamespace(input_overflow=lost))
        def start(self):
            for lost in (False, True, False, True): self.send(lost)
        def close(self): pass
    sys.modules["sounddevice"] = types.SimpleNamespace(PortAudioError=PortAudioError, InputStream=InputStream)
    from otto.audio.microphone import Microphone
    with Microphone() as microphone:
        print(microphone.overflows, len([next(frame) for frame in [iter(microphone)] * 4]))
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "2 4"
