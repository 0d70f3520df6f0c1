"""The hot key under a real X server, whose keys xdotool presses; and the doorbell that `otto press` rings."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otto.errors import HotKeyError, MissingExtra
from otto.hotkey import Doorbell, HotKey, press

PATIENCE = 60.0
needs_pynput = pytest.mark.skipif(importlib.util.find_spec("pynput") is None, reason="pynput is not installed")


def wait_for(found: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """An X server; returns a function that has xdotool do something with its keys."""
    if not all(map(shutil.which, ("Xvfb", "xdotool"))):
        pytest.skip("xvfb and xdotool are not installed")
    server = subprocess.Popen(["Xvfb", "-displayfd", "1", "-screen", "0", "64x64x8"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout
    monkeypatch.setenv("DISPLAY", f":{server.stdout.readline().strip()}")
    for variable in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(variable, raising=False)
    yield lambda *words: subprocess.run(["xdotool", *words], check=True, timeout=PATIENCE)
    server.terminate()
    server.wait()
    server.stdout.close()


# In a process of its own: pynput looks for the desktop once, when it is imported.
WATCH = """
import sys
from otto.errors import OttoError
from otto.hotkey import HotKey
try:
    with HotKey(sys.argv[1], lambda: print("down", flush=True), lambda: print("up", flush=True)):
        print("watching", flush=True)
        sys.stdin.readline()
except OttoError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


class Watching:
    def __init__(self, combination: str) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", WATCH, combination], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout and self._process.stdin

    def says(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def end(self) -> list[str]:
        """What it said that nobody has read; it has ended by itself, or ends now."""
        rest, _ = self._process.communicate("\n", timeout=PATIENCE)
        assert self._process.returncode == 0
        return rest.splitlines()


@needs_pynput
def test_pressed_once_and_released(desktop: Callable[..., None]) -> None:
    watching = Watching("<ctrl>+<alt>+o")
    assert watching.says() == "watching"
    for words in (("keydown", "ctrl"), ("keydown", "alt"), ("keydown", "o"), ("keydown", "o")):
        desktop(*words)
    assert watching.says() == "down"
    desktop("keyup", "o")
    assert watching.says() == "up"
    desktop("keydown", "o")
    assert watching.says() == "down"
    desktop("keyup", "ctrl")
    assert watching.says() == "up"
    assert watching.end() == []


@needs_pynput
def test_other_keys_are_nothing_to_it(desktop: Callable[..., None]) -> None:
    watching = Watching("<f9>")
    assert watching.says() == "watching"
    for words in (("key", "o"), ("key", "ctrl+o"), ("key", "F8"), ("key", "F9")):
        desktop(*words)
    assert (watching.says(), watching.says()) == ("down", "up")
    assert watching.end() == []


@needs_pynput
@pytest.mark.parametrize("combination", ["", "<nonsense>", "<ctrl>+", "ctrl+o"])
def test_what_is_no_combination(desktop: Callable[..., None], combination: str) -> None:
    watching = Watching(combination)
    assert watching.says() == f"UsageError: {combination!r} is no key combination; write it as <ctrl>+<alt>+o or <f9>."
    assert watching.end() == []


@needs_pynput
def test_an_x_server_that_is_gone(desktop: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":987")
    said = Watching("<f9>").says()
    assert said.startswith("HotKeyError: The keys cannot be watched (")
    assert said.endswith("); bind this in the keyboard settings of your desktop: otto press.")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the desktops of Linux")
class TestDesktopsWithoutKeys:
    @pytest.mark.parametrize("variables", [{"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, {"XDG_SESSION_TYPE": "wayland", "DISPLAY": ":0"}])
    def test_wayland(self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(HotKeyError) as raised:
            HotKey("<f9>", lambda: None).__enter__()
        assert str(raised.value) == "A Wayland desktop hands no keys to programs; bind this in the keyboard settings of your desktop: otto press."

    def test_no_desktop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(HotKeyError, match="There is no desktop whose keys could be watched; bind this"):
            HotKey("<f9>", lambda: None).__enter__()

    def test_pynput_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setitem(sys.modules, "pynput", None)
        with pytest.raises(MissingExtra) as raised:
            HotKey("<f9>", lambda: None).__enter__()
        assert str(raised.value) == 'pynput is not installed; install it with: pip install "otto-assistant[hotkey]".'


class TestDoorbell:
    @pytest.fixture(autouse=True)
    def runtime(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path_factory.mktemp("r")
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        return folder

    def test_each_press_rings_once(self, tmp_path: Path) -> None:
        rung: list[int] = []
        with Doorbell(tmp_path, lambda: rung.append(1)):
            for times in (1, 2, 3):
                press(tmp_path)
                wait_for(lambda times=times: len(rung) == times)

    def test_nothing_is_left(self, tmp_path: Path, runtime: Path) -> None:
        with Doorbell(tmp_path, lambda: None):
            assert len(list(runtime.iterdir())) == 1
        assert list(runtime.iterdir()) == []
        assert [thread for thread in threading.enumerate() if "doorbell" in thread.name] == []

    def test_nobody_listens(self, tmp_path: Path) -> None:
        with pytest.raises(HotKeyError) as raised:
            press(tmp_path)
        assert str(raised.value) == "No otto is listening; start it with: otto listen."

    def test_another_otto_is_not_rung_at(self, tmp_path: Path) -> None:
        with Doorbell(tmp_path / "one", lambda: pytest.fail("not this one")), pytest.raises(HotKeyError, match="No otto is listening"):
            press(tmp_path / "other")

    def test_two_cannot_listen(self, tmp_path: Path) -> None:
        with Doorbell(tmp_path, lambda: None), pytest.raises(HotKeyError, match="Another otto listens already"):
            Doorbell(tmp_path, lambda: None).__enter__()

    def test_one_that_was_killed_is_in_nobodys_way(self, tmp_path: Path) -> None:
        code = f"""
        import os
        from pathlib import Path
        from otto.hotkey import Doorbell
        Doorbell(Path({str(tmp_path)!r}), lambda: None).__enter__()
        os._exit(9)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=PATIENCE)
        rung = threading.Event()
        with Doorbell(tmp_path, rung.set):
            press(tmp_path)
            assert rung.wait(PATIENCE)

    def test_who_says_nothing_or_nonsense_does_not_ring(self, tmp_path: Path, runtime: Path) -> None:
        rung: list[int] = []
        with Doorbell(tmp_path, lambda: rung.append(1)):
            (path,) = runtime.iterdir()
            for said in (b"", b"pr", b"hello there"):
                with socket.socket(socket.AF_UNIX) as visitor:
                    visitor.connect(str(path))
                    visitor.sendall(said)
            press(tmp_path)
            wait_for(lambda: len(rung) == 1)
        assert rung == [1]
