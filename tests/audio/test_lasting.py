"""Microphones that are chosen, lost, found again and interrupted, on a real sound server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from otto.audio import portaudio, watch
from otto.audio.devices import devices, find_device, on_server
from otto.audio.lasting import LastingMicrophone
from otto.audio.microphone import QUIET, Microphone
from otto.audio.speaker import Speaker
from otto.messages import SAMPLE_RATE, AudioFrame, Sound
from tests.sound import LOUDSPEAKER, MICROPHONE, PATIENCE, SoundServer

TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(30 * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.int16)
GONE = "The microphone gives no sound; plug it in again, or choose another with: otto config set audio.input NAME."
BACK = "The microphone is back."
SECOND = "second"


def wait_for(found: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < until
        time.sleep(0.02)


def otto_devices(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otto", "devices", *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OTTO_HOME": str(home / "otto")}, check=False, timeout=PATIENCE)


class Listening:
    """A lasting microphone whose frames are taken by a thread."""

    def __init__(self, device: str = "") -> None:
        self.said: list[str] = []
        self.frames: list[AudioFrame] = []
        self.microphone = LastingMicrophone(device, self.said.append)
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def hears(self, loud: bool = False) -> None:
        """Wait for sound that comes from now on."""
        before = len(self.frames)
        wait_for(lambda: any(not loud or np.abs(frame.samples).max() > 1000 for frame in self.frames[before:]))

    def jumps(self) -> list[float]:
        starts = np.array([frame.start for frame in self.frames])
        return [float(step) for step in np.diff(starts) if step > 0.05]

    def close(self) -> None:
        self.microphone.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _take(self) -> None:
        for frame in self.microphone:
            self.frames.append(frame)


@pytest.fixture
def listening() -> Iterator[Callable[..., Listening]]:
    started: list[Listening] = []

    def start(device: str = "") -> Listening:
        started.append(Listening(device))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def awake(sound_server: SoundServer) -> Iterator[SoundServer]:
    """A server whose null sinks render all the time: an idle one gives its first sound after one or two seconds."""
    sources = [subprocess.Popen(["parec", f"--device={name}.monitor", "--latency-msec=20"], stdout=subprocess.DEVNULL) for name in (MICROPHONE, LOUDSPEAKER)]
    yield sound_server
    for source in sources:
        source.kill()
        source.wait()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY", 0.3)


def plug_in(server: SoundServer, name: str = SECOND) -> str:
    return server.pactl("load-module", "module-null-sink", f"sink_name={name}", "rate=44100", f"sink_properties=device.description={name.title()}Device").stdout.strip()


class TestMicrophone:
    def test_close_from_another_thread_ends_the_iteration(self, awake: SoundServer) -> None:
        with Microphone() as microphone:
            frames = iter(microphone)
            next(frames)
            threading.Timer(0.3, microphone.close).start()
            count = sum(1 for _ in frames)
        assert count > 0
        assert list(microphone) == []

    def test_closed_while_nothing_comes(self, sound_server: SoundServer) -> None:
        with Microphone() as microphone:
            threading.Timer(0.1, microphone.close).start()
            assert len(list(microphone)) < 20

    def test_ctrl_c_ends_the_wait_and_leaves_nothing(self, awake: SoundServer) -> None:
        code = """
import threading
from otto.audio.microphone import Microphone
try:
    with Microphone() as microphone:
        for frame in microphone:
            print("frame", flush=True)
except KeyboardInterrupt:
    print([thread.name for thread in threading.enumerate()], flush=True)
"""
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout and process.stdout.readline() == "frame\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
        assert (out.splitlines()[-1], process.returncode) == ("['MainThread']", 0)

    def test_level_is_that_of_the_sound(self, awake: SoundServer) -> None:
        with Microphone() as microphone:
            frames = iter(microphone)
            assert microphone.level == QUIET or next(frames)
            player = awake.start_into_microphone(TONE)
            next(frame for frame in frames if np.abs(frame.samples).min() >= 0 and np.abs(frame.samples).max() > 7900)
            for _ in range(5):
                next(frames)
            assert microphone.level == pytest.approx(20 * np.log10(8000 / 2**0.5 / 32768), abs=0.5)
            player.kill()
            player.wait()

    def test_what_is_read_too_late_is_lost_and_counted(self, awake: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("otto.audio.microphone._KEPT", 0.5)
        with Microphone() as microphone:
            frames = iter(microphone)
            next(frames)
            assert microphone.overflows == 0
            wait_for(lambda: microphone.overflows >= 20)
            starts = [next(frames).start for _ in range(60)]
            assert microphone.overflows >= 20
        steps = np.diff(starts) / 0.032
        assert steps.max() >= 20  # the jump
        assert np.allclose(steps, np.round(steps))

    def test_nothing_but_zeros_is_told_once(self, awake: SoundServer) -> None:
        said: list[str] = []
        with Microphone(warn=said.append) as microphone:
            frames = iter(microphone)
            wait_for(lambda: next(frames).start > 7)
        assert len(said) == 1
        assert said[0].startswith("The microphone gives nothing but silence; ")

    def test_a_second_look_at_the_devices_interrupts_for_a_moment(self, awake: SoundServer) -> None:
        with Microphone() as microphone, Speaker() as speaker:
            frames = iter(microphone)
            next(frames)
            speaker.play(Sound(TONE[:1600], SAMPLE_RATE))
            assert portaudio.look_again() is False  # something is playing
            assert speaker.wait(PATIENCE)
            wait_for(portaudio.look_again)
            before = next(frames).start
            assert next(frame.start for frame in frames if frame.start > before + 1) > before
            speaker.play(Sound(TONE[:1600], SAMPLE_RATE))
            assert speaker.wait(PATIENCE)

    def test_a_sound_server_that_hangs_keeps_nobody_waiting(self, awake: SoundServer) -> None:
        server = awake._server
        assert server is not None
        microphone = Microphone().__enter__()
        next(iter(microphone))
        server.send_signal(signal.SIGSTOP)
        try:
            microphone.close()
            assert portaudio.look_again() is False  # its stream is still there
        finally:
            server.send_signal(signal.SIGCONT)
        wait_for(portaudio.look_again)
        with Microphone() as again:
            assert len(next(iter(again)).samples) == 512


class TestLasting:
    def test_the_server_goes_and_comes_back_mid_sentence(self, sound_server: SoundServer, listening: Callable[..., Listening]) -> None:
        one = listening()
        player = sound_server.start_into_microphone(TONE)
        one.hears(loud=True)
        sound_server.stop()
        player.wait()
        wait_for(lambda: one.said == [GONE])
        assert one.microphone.working is False or one.microphone.level >= QUIET
        time.sleep(2)
        sound_server.start()
        wait_for(lambda: one.said == [GONE, BACK])
        player = sound_server.start_into_microphone(TONE)
        one.hears(loud=True)
        assert [jump > 2 for jump in one.jumps()] == [True]
        player.kill()
        player.wait()

    def test_no_microphone_at_the_start(self, sound_server: SoundServer, listening: Callable[..., Listening]) -> None:
        sound_server.stop()
        portaudio.look_again()
        one = listening()
        wait_for(lambda: one.said == ["There is no microphone; plug one in, or give a sound file: otto hear FILE."])
        sound_server.start()
        one.hears()
        assert one.said[1:] == [BACK]

    @pytest.mark.usefixtures("often")
    def test_the_default_stands_in_for_the_wanted_one(self, awake: SoundServer, listening: Callable[..., Listening]) -> None:
        one = listening(SECOND)
        wait_for(lambda: one.said == ["There is no microphone 'second'; the default one stands in until it is there."])
        player = awake.start_into_microphone(TONE)
        one.hears(loud=True)
        module = plug_in(awake)
        wait_for(lambda: one.said[1:] == [BACK])
        before = len(one.frames)
        wait_for(lambda: len(one.frames) > before + 40)
        assert not any(frame.samples.any() for frame in one.frames[-10:])  # it is the second that is heard now, and nobody plays into it
        awake.pactl("unload-module", module)
        wait_for(lambda: one.said[2:3] == ["The microphone 'second' is gone; the default one stands in until it is there."])
        one.hears(loud=True)
        plug_in(awake)
        wait_for(lambda: one.said[-1] == BACK and one.said.count(BACK) == 2)
        player.kill()
        player.wait()

    def test_closed_while_there_is_none(self, sound_server: SoundServer) -> None:
        sound_server.stop()
        portaudio.look_again()
        one = Listening()
        wait_for(lambda: one.said)
        one.close()
        assert one.frames == []


class TestDevices:
    def test_both_kinds_with_the_servers_own(self, sound_server: SoundServer) -> None:
        plug_in(sound_server)
        by_server = {device.name: device for device in devices("microphone") if device.number is None}
        assert by_server.keys() == {f"{MICROPHONE}.monitor", f"{LOUDSPEAKER}.monitor", "second.monitor"}
        second, default = by_server["second.monitor"], by_server[f"{MICROPHONE}.monitor"]
        assert (second.rate, second.channels, second.default, second.about) == (44_100, 2, False, "Monitor of SecondDevice")
        assert (default.rate, default.channels, default.default) == (16_000, 1, True)
        assert {device.name for device in devices("loudspeaker") if device.number is None} == {MICROPHONE, LOUDSPEAKER, SECOND}

    @pytest.mark.parametrize(
        ("wanted", "name"),
        [
            ("second.monitor", "second.monitor"), ("SecondDevice", "second.monitor"), ("SECOND", "second.monitor"),
            ("default", "default"), ("third", None), ("99", None),
        ],
    )  # fmt: skip
    def test_found_by_name_part_or_number(self, sound_server: SoundServer, wanted: str, name: str | None) -> None:
        plug_in(sound_server)
        found = find_device("microphone", wanted)
        assert (found.name if found else None) == name

    def test_the_chosen_one_is_opened(self, awake: SoundServer) -> None:
        plug_in(awake)
        player = awake.start_into_microphone(TONE)

        def hears(device: str) -> bool:
            with Microphone(device) as microphone:
                return any(frame.samples.any() for frame, _ in zip(microphone, range(60), strict=False))

        wait_for(lambda: hears(f"{MICROPHONE}.monitor"))
        assert not hears(SECOND)
        player.kill()
        player.wait()

    def test_a_reply_comes_from_the_chosen_loudspeaker(self, awake: SoundServer) -> None:
        awake.record_loudspeaker()
        with Speaker(MICROPHONE) as speaker:
            speaker.play(Sound(TONE[:8000], SAMPLE_RATE))
            assert speaker.wait(PATIENCE)
        assert not awake.recorded_from_loudspeaker().any()

    @pytest.mark.parametrize("listed", [b"", b"{", b"Source #1\n", b"[]"])
    def test_a_pactl_without_json_lists_nothing(self, listed: bytes) -> None:
        assert on_server("microphone", "any", listed) is False

    def test_the_command_line_lists_and_remembers(self, sound_server: SoundServer, tmp_path: Path) -> None:
        plug_in(sound_server)
        listed = [json.loads(line) for line in otto_devices(tmp_path, "list", "--json").stdout.splitlines()]
        assert {(row["kind"], row["name"]) for row in listed if row["used"]} == {("microphone", "default"), ("loudspeaker", "default")}
        assert otto_devices(tmp_path, "use", "microphone", "SecondDevice").stdout == "microphone: second.monitor\n"
        listed = [json.loads(line) for line in otto_devices(tmp_path, "list", "--json").stdout.splitlines()]
        assert {(row["kind"], row["name"]) for row in listed if row["used"]} == {("microphone", "second.monitor"), ("loudspeaker", "default")}
        assert otto_devices(tmp_path, "use", "microphone", "default").stdout == "microphone: the default of the system\n"

    @pytest.mark.parametrize(
        ("words", "code", "sentence"),
        [
            (("microphone", "nothing such"), 1, "There is no microphone 'nothing such'; see those that there are: otto devices list.\n"),
            (("camera", "default"), 2, "There are no devices of the kind 'camera'; name microphone or loudspeaker.\n"),
        ],
    )
    def test_what_cannot_be_chosen(self, sound_server: SoundServer, tmp_path: Path, words: tuple[str, str], code: int, sentence: str) -> None:
        ran = otto_devices(tmp_path, "use", *words)
        assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", sentence)
