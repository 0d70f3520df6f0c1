"""The loudness of this computer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from otto import Context, Field, OttoError, skill

STEP = 10  # percent, of "louder" and "quieter"
SECONDS = 5.0  # for one command of the mixer


@dataclass(frozen=True)
class State:
    percent: int
    muted: bool


class Mixer(ABC):
    """A program or system service that sets the volume."""

    @abstractmethod
    def read(self) -> State | None:
        """The volume now, None where the system does not tell it. Raises OttoError where there is no sound output."""

    @abstractmethod
    def set(self, percent: int) -> None:
        """Set the volume, 0 to 100."""

    @abstractmethod
    def mute(self, muted: bool) -> None:
        """Switch the sound off or on."""

    def change(self, by: int) -> str:
        """Louder or quieter by percent; in words, what it is now."""
        state = self.read()
        target = min(100, max(0, (state.percent if state else 0) + by))
        self.set(target)
        return f"Volume {target} percent."


@skill(undo="restore")
def volume(
    action: Literal["up", "down", "set", "mute", "unmute"],
    context: Context,
    level: Annotated[int, Field(ge=0, le=100)] | None = None,
) -> str:
    """Turn the volume up or down, set it, or mute and unmute the sound.

    Args:
        action: what to do with the volume
        level: percent; for "set" the new volume, for "up" and "down" the step
    """
    if action == "set" and level is None:
        raise OttoError("A volume needs a level", 'say it again with one, such as "set the volume to 40 percent"')
    mixer = _mixer()
    before = mixer.read()
    if before is not None:
        context.for_undo([before.percent, before.muted])
    if action in ("mute", "unmute"):
        mixer.mute(action == "mute")
        return "Muted." if action == "mute" else "The sound is on."
    if before is not None and before.muted and action != "down":
        mixer.mute(False)
    if action == "set":
        mixer.set(level or 0)
        return f"Volume {level} percent."
    step = STEP if level is None else level
    return mixer.change(step if action == "up" else -step)


def restore(context: Context) -> str:
    """Set the volume that there was before."""
    percent, muted = context.undo_value
    mixer = _mixer()
    mixer.set(percent)
    mixer.mute(muted)
    return f"Volume {percent} percent{', muted' * muted}."


def _mixer() -> Mixer:
    """The first mixer that works here. Raises OttoError where none does."""
    if sys.platform == "win32":
        return _Windows()
    if sys.platform == "darwin":
        return _Mac()
    found = [mixer for name, mixer in _LINUX.items() if shutil.which(name)]
    for mixer in found:
        try:
            mixer.read()
            return mixer
        except OttoError:
            continue
    if found:
        raise OttoError("There is no sound output whose volume can be set", "start PipeWire or PulseAudio, or plug in a sound device")
    raise OttoError("There is no mixer to set the volume with", "install one of wireplumber, pulseaudio-utils or alsa-utils")


def _run(*command: str) -> str:
    """What a command prints. Raises OttoError where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True, stdin=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        reason = " ".join((error.stderr or error.stdout).split())[:120] or f"status {error.returncode}"
        raise OttoError(f"{command[0]} cannot set the volume ({reason})", "check the sound output in the system's settings") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OttoError(f"{command[0]} does not answer ({type(error).__name__})", "check the system's sound service") from None
    return done.stdout


class _Wireplumber(Mixer):
    """wpctl, of PipeWire."""

    def read(self) -> State:
        text = _run("wpctl", "get-volume", "@DEFAULT_AUDIO_SINK@")  # "Volume: 0.40 [MUTED]"
        return State(round(float(_found(r"([\d.]+)", text, "wpctl")) * 100), "MUTED" in text)

    def set(self, percent: int) -> None:
        _run("wpctl", "set-volume", "@DEFAULT_AUDIO_SINK@", f"{percent}%")

    def mute(self, muted: bool) -> None:
        _run("wpctl", "set-mute", "@DEFAULT_AUDIO_SINK@", str(int(muted)))


class _PulseAudio(Mixer):
    """pactl, of PulseAudio."""

    def read(self) -> State:
        text = _run("pactl", "get-sink-volume", "@DEFAULT_SINK@")  # "Volume: front-left: 26214 /  40% / -23.88 dB, …"
        muted = _run("pactl", "get-sink-mute", "@DEFAULT_SINK@")  # "Mute: no"; the words are translated, the values are not
        return State(int(_found(r"(\d+)%", text, "pactl")), bool(re.search(r":\s*(?!no\b)\w", muted)))

    def set(self, percent: int) -> None:
        _run("pactl", "set-sink-volume", "@DEFAULT_SINK@", f"{percent}%")

    def mute(self, muted: bool) -> None:
        _run("pactl", "set-sink-mute", "@DEFAULT_SINK@", str(int(muted)))


class _Alsa(Mixer):
    """amixer, of ALSA."""

    def read(self) -> State:
        text = _run("amixer", "sget", "Master")  # "Front Left: Playback 26214 [40%] [on]"
        return State(int(_found(r"\[(\d+)%\]", text, "amixer")), "[off]" in text)

    def set(self, percent: int) -> None:
        _run("amixer", "-q", "sset", "Master", f"{percent}%")

    def mute(self, muted: bool) -> None:
        _run("amixer", "-q", "sset", "Master", "mute" if muted else "unmute")


class _Mac(Mixer):
    """AppleScript, of which only whole numbers and fixed words are made."""

    def read(self) -> State:
        text = _run("osascript", "-e", "get volume settings")  # "output volume:40, input volume:…, output muted:false"
        return State(int(_found(r"output volume:(\d+)", text, "osascript")), "output muted:true" in text)

    def set(self, percent: int) -> None:
        _run("osascript", "-e", f"set volume output volume {percent}")

    def mute(self, muted: bool) -> None:
        _run("osascript", "-e", f"set volume output muted {'true' if muted else 'false'}")


class _Windows(Mixer):
    """The volume keys, of which each press is two percent; Windows tells nothing back without further packages."""

    MUTE, DOWN, UP = 0xAD, 0xAE, 0xAF  # virtual key codes

    def read(self) -> None:
        return None

    def set(self, percent: int) -> None:
        self._press(self.DOWN, 50)
        self._press(self.UP, percent // 2)

    def change(self, by: int) -> str:
        self._press(self.UP if by > 0 else self.DOWN, abs(by) // 2)
        return "Louder." if by > 0 else "Quieter."

    def mute(self, muted: bool) -> None:
        self._press(self.UP, 1)  # which switches the sound on, so that the mute key has one meaning
        self._press(self.DOWN, 1)
        if muted:
            self._press(self.MUTE, 1)

    def _press(self, key: int, times: int) -> None:
        import ctypes

        press: Callable[..., None] = ctypes.windll.user32.keybd_event  # type: ignore[attr-defined,unused-ignore]
        for _ in range(times):
            press(key, 0, 0, 0)
            press(key, 0, 2, 0)  # 2: the key goes up


def _found(pattern: str, text: str, mixer: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise OttoError(f"{mixer} does not tell the volume", "check the sound output in the system's settings")
    return match[1]


_LINUX: dict[str, Mixer] = {"wpctl": _Wireplumber(), "pactl": _PulseAudio(), "amixer": _Alsa()}
