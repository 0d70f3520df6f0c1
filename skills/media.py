"""The player that is running: music or video."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Literal

from otto import OttoError, skill

SECONDS = 5.0  # for one command
METHODS = {"play": "Play", "pause": "Pause", "next": "Next", "previous": "Previous", "stop": "Stop"}  # of MPRIS
SAID = {"play": "Playing.", "pause": "Paused.", "next": "Next one.", "previous": "Previous one.", "stop": "Stopped."}
WINDOWS_KEYS = {"next": 0xB0, "previous": 0xB1, "stop": 0xB2, "play": 0xB3, "pause": 0xB3}  # virtual key codes
MAC_PLAYERS = ("Music", "Spotify")
MAC_WORDS = {"play": "play", "pause": "pause", "next": "next track", "previous": "previous track", "stop": "pause"}
PREFIX, PATH, INTERFACE = "org.mpris.MediaPlayer2", "/org/mpris/MediaPlayer2", "org.mpris.MediaPlayer2.Player"


@skill
def media(action: Literal["play", "pause", "next", "previous", "stop"]) -> str:
    """Control the music or video player that is running.

    Args:
        action: what the player shall do
    """
    if sys.platform == "win32":
        _press(WINDOWS_KEYS[action])
    elif sys.platform == "darwin":
        _tell_mac_player(action)
    else:
        _tell_linux_player(action)
    return SAID[action]


def _tell_linux_player(action: str) -> None:
    """Through MPRIS on D-Bus, with whichever client is installed. Raises OttoError."""
    if shutil.which("playerctl"):
        try:
            _run("playerctl", action)
        except subprocess.CalledProcessError as error:
            raise _no_player() if "No players" in error.stderr else _refused("the player", error.stderr) from None
        return
    bus = next((bus for name, bus in _BUSES.items() if shutil.which(name)), None)
    if bus is None:
        raise OttoError("There is nothing to control a player with", "install playerctl")
    try:
        players = sorted(set(re.findall(rf"{re.escape(PREFIX)}\.[\w.-]+", bus("list"))))
    except subprocess.CalledProcessError:
        raise OttoError("There is no desktop session to find a player in", "run otto inside your desktop session") from None
    if not players:
        raise _no_player()
    player = next((name for name in players if _is_busy(bus, name, action)), players[0])
    try:
        bus("call", player, METHODS[action])
    except subprocess.CalledProcessError as error:
        raise _refused(player.removeprefix(f"{PREFIX}."), error.stderr) from None


def _is_busy(bus: Callable[..., str], player: str, action: str) -> bool:
    """True for the player that is meant: the paused one to play, the playing one for all else."""
    try:
        return ("Paused" if action == "play" else "Playing") in bus("status", player)
    except subprocess.CalledProcessError:
        return False


def _busctl(verb: str, player: str = "", method: str = "") -> str:
    arguments = {
        "list": ["list", "--no-legend"],
        "status": ["get-property", player, PATH, INTERFACE, "PlaybackStatus"],
        "call": ["call", player, PATH, INTERFACE, method],
    }
    return _run("busctl", "--user", *arguments[verb])


def _dbus_send(verb: str, player: str = "", method: str = "") -> str:
    arguments = {
        "list": ["--dest=org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames"],
        "status": [f"--dest={player}", PATH, "org.freedesktop.DBus.Properties.Get", f"string:{INTERFACE}", "string:PlaybackStatus"],
        "call": [f"--dest={player}", PATH, f"{INTERFACE}.{method}"],
    }
    return _run("dbus-send", "--session", "--print-reply", *arguments[verb])


_BUSES: dict[str, Callable[..., str]] = {"dbus-send": _dbus_send, "busctl": _busctl}


def _tell_mac_player(action: str) -> None:
    """Music or Spotify, whichever runs; the script is made of fixed words only."""
    for player in MAC_PLAYERS:
        try:
            if _run("osascript", "-e", f'application "{player}" is running').strip() == "true":
                _run("osascript", "-e", f'tell application "{player}" to {MAC_WORDS[action]}')
                return
        except subprocess.CalledProcessError as error:
            raise _refused(player, error.stderr) from None
    raise _no_player()


def _press(key: int) -> None:
    import ctypes

    press: Callable[..., None] = ctypes.windll.user32.keybd_event  # type: ignore[attr-defined,unused-ignore]
    press(key, 0, 0, 0)
    press(key, 0, 2, 0)  # 2: the key goes up


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OttoError(f"{command[0]} does not answer ({type(error).__name__})", "check the player") from None
    return done.stdout


def _no_player() -> OttoError:
    return OttoError("No music or video player is running", "start one first")


def _refused(player: str, reason: str) -> OttoError:
    return OttoError(f"{player} did not do it ({' '.join(reason.split())[:120]})", "try it in the player itself")
