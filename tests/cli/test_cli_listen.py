"""`otto listen`: a real sound device whose microphone is a file played back; what the engine hears is scripted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from terminal import Otto

from otto.demo import recordings

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 120.0  # seconds; a loaded machine is slow to start
LISTEN = """
import sys
import terminal, otto.router, otto.stt
from otto.cli import main
otto.router.open_router = lambda name, registry, settings: terminal.TableRouter(registry)
engine = terminal.ScriptedEngine(sys.argv[1].split("|"))
otto.stt.open_engine = lambda *arguments: engine
sys.exit(main(["listen", *sys.argv[2:]]))
"""


class Listening:
    """`otto listen` in a process of its own."""

    def __init__(self, home: Path, hears: str, *options: str) -> None:
        paths = os.pathsep.join((str(ROOT), str(Path(__file__).parent)))
        self._process = subprocess.Popen(
            [sys.executable, "-c", LISTEN, hears, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OTTO_HOME": str(home), "PYTHONPATH": paths},
        )  # fmt: skip
        self.out: list[str] = []
        self.err: list[str] = []
        for stream, lines in ((self._process.stdout, self.out), (self._process.stderr, self.err)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    def wait_for(self, found: Callable[[], Any]) -> None:
        until = time.monotonic() + PATIENCE
        while not found():
            assert time.monotonic() < until, (self.out, self.err)
            assert self._process.poll() is None, (self.out, self.err)
            time.sleep(0.05)

    def press_enter(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def close_input(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()

    def end_of_input(self) -> int:
        self.close_input()
        return self._process.wait(PATIENCE)

    def ctrl_c(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @staticmethod
    def _read(stream: IO[str] | None, lines: list[str]) -> None:
        assert stream
        with stream:
            for line in stream:
                lines.append(line)  # as it comes: others look


@pytest.fixture
def speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A sound server whose default microphone hears what is played into a sink; returns a function that says a sentence."""
    if not all(map(shutil.which, ("pulseaudio", "pactl", "paplay"))):
        pytest.skip("pulseaudio and pulseaudio-utils are not installed")
    try:
        import sounddevice  # noqa: F401
    except OSError:
        pytest.skip("libportaudio2 is not installed")
    runtime = tmp_path / "pulse"
    runtime.mkdir(mode=0o700)
    for name, value in (("XDG_RUNTIME_DIR", tmp_path), ("PULSE_RUNTIME_PATH", runtime), ("HOME", tmp_path)):
        monkeypatch.setenv(name, str(value))
    modules = ("module-native-protocol-unix", "module-null-sink sink_name=mouth rate=16000 channels=1")
    options = [part for module in modules for part in ("-L", module)]
    server = subprocess.Popen(["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *options], stderr=subprocess.DEVNULL)

    def say() -> None:
        subprocess.run(["paplay", "--device=mouth", str(recordings()[0].file)], check=True, timeout=PATIENCE)

    try:
        until = time.monotonic() + PATIENCE
        while subprocess.run(["pactl", "set-default-source", "mouth.monitor"], capture_output=True, check=False).returncode:
            assert time.monotonic() < until
            time.sleep(0.1)
        yield say
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def listening(home: Path) -> Iterator[Callable[..., Listening]]:
    started: list[Listening] = []

    def start(hears: str, *options: str) -> Listening:
        started.append(Listening(home, hears, *options))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def turns(otto: Listening) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, otto.out) if event["event"] == "turn"]


def states(otto: Listening) -> list[str]:
    return [event["state"] for event in map(json.loads, otto.out) if event["event"] == "state"]


def test_continuous_does_what_is_said_until_ctrl_c(listening: Callable[..., Listening], speak: Callable[[], None]) -> None:
    otto = listening("take a note buy milk|read my notes", "--continuous", "--json", "--silent")
    otto.wait_for(lambda: states(otto) == ["listening"])
    speak()
    otto.wait_for(lambda: len(turns(otto)) == 1)
    speak()
    otto.wait_for(lambda: len(turns(otto)) == 2)
    first, second = turns(otto)
    assert (first["heard"], first["results"][0]["speech"]) == ("take a note buy milk", "Noted: buy milk")
    assert second["results"][0]["speech"] == "1 note: buy milk."
    assert 0.5 < first["seconds"] < 6
    assert {"hearing", "listening"} <= set(states(otto))
    assert otto.ctrl_c() == 130
    assert "Traceback" not in "".join(otto.err)
    ended = json.loads(otto.out[-1])
    assert (ended["event"], ended["turns"], ended["overflows"]) == ("ended", 2, 0)


def test_stray_talk_does_nothing_and_is_not_kept(listening: Callable[..., Listening], speak: Callable[[], None]) -> None:
    otto = listening("that was a good lunch|undo that", "--continuous", "--json", "--silent")
    otto.wait_for(lambda: states(otto) == ["listening"])
    speak()
    otto.wait_for(lambda: any('"ignored"' in line for line in otto.out))
    speak()
    otto.wait_for(lambda: any("There is nothing to undo" in line for line in otto.out))
    assert turns(otto) == []


def test_undo_that_takes_the_last_command_back(listening: Callable[..., Listening], speak: Callable[[], None]) -> None:
    otto = listening("take a note buy milk|undo that|read my notes", "--continuous", "--json", "--silent")
    otto.wait_for(lambda: states(otto) == ["listening"])
    speak()
    otto.wait_for(lambda: len(turns(otto)) == 1)
    speak()
    otto.wait_for(lambda: any('"said"' in line for line in otto.out))
    speak()
    otto.wait_for(lambda: len(turns(otto)) == 2)
    assert turns(otto)[1]["results"][0]["speech"] == "There are no notes."


def test_enter_to_talk_and_the_timer_rings(listening: Callable[..., Listening], speak: Callable[[], None]) -> None:
    otto = listening("one second", "--push", "--silent")
    otto.wait_for(lambda: "Press Enter and speak; Ctrl-C ends it.\n" in otto.err)
    otto.press_enter()
    otto.wait_for(lambda: "Listening …\n" in otto.err)
    speak()
    otto.wait_for(lambda: "  answer  Timer set for 1 second.\n" in otto.out)
    otto.wait_for(lambda: "♪ Your timer for 1 second ran out.\n" in otto.err)
    otto.wait_for(lambda: "The microphone is closed. Press Enter and speak.\n" in otto.err)
    assert otto.end_of_input() == 0


def test_a_command_before_enter_is_not_heard(listening: Callable[..., Listening], speak: Callable[[], None]) -> None:
    otto = listening("read my notes", "--push", "--silent")
    otto.wait_for(lambda: otto.err)
    speak()
    assert otto.end_of_input() == 0
    assert otto.out == []


def test_the_end_of_the_input_does_not_end_what_needs_none(listening: Callable[..., Listening], speak: Callable[[], None]) -> None:
    otto = listening("read my notes", "--continuous", "--json", "--silent")
    otto.close_input()
    otto.wait_for(lambda: states(otto) == ["listening"])
    speak()
    otto.wait_for(lambda: len(turns(otto)) == 1)
    assert otto.ctrl_c() == 130


def test_two_modes_are_one_too_many(otto: Otto) -> None:
    ran = otto("listen", "--push", "--continuous")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "Only one of --wake, --push and --continuous can be; leave the others out.\n"


@pytest.mark.usefixtures("table")
class TestWithoutMicrophone:
    """Where there is no sound device, or no library for one."""

    def test_portaudio_is_missing(self, otto: Otto, hears: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        hears()
        (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")')
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
        ran = otto("listen")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == "The PortAudio library is missing; install it with: apt install libportaudio2 (or dnf install portaudio).\n"

    @pytest.mark.parametrize("options", [(), ("--continuous",)])
    def test_there_is_no_microphone(self, otto: Otto, hears: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...]) -> None:
        hears()
        (tmp_path / "sounddevice.py").write_text(
            "class PortAudioError(Exception): pass\n"
            "def query_devices(*arguments): return []\n"
            "def InputStream(**options): raise PortAudioError('Error querying device -1')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
        ran = otto("listen", *options)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == "There is no microphone; plug one in, or give a sound file: otto hear FILE.\n"
