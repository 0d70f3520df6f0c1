"""PortAudio, one for the whole process: loaded where it is needed, its devices, its second look for them, and what its errors mean.

It lists the devices once, when it is initialised. To see what was plugged in since, it is initialised anew, and that takes all open
streams with it: so who has one open says so (`hold`) and is asked to close it first.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import sys
import threading
from functools import cache
from typing import Any, Protocol

from otto.errors import AudioError

LOCK = threading.RLock()  # held while a stream is opened or closed, and during the second look

TAKEN = -9985  # paDeviceUnavailable
BAD_RATE = -9997  # paInvalidSampleRate
BAD_CHANNELS = -9998  # paInvalidChannelCount


class Holder(Protocol):
    """Who has a stream open. Neither method may raise, or wait for a lock that is held while a stream is opened."""

    def pause(self) -> bool:
        """Close the stream; False where this is not the moment, and it stays open."""

    def resume(self) -> None:
        """Devices are known anew: open the stream again, now or when it is next wanted."""


_holders: list[Holder] = []
_closing: list[threading.Thread] = []  # streams that a sound server does not let go
_CLOSES = 0.3  # seconds; it takes some hundredths


def hold(holder: Holder) -> None:
    """From now on `holder` is asked before PortAudio looks for devices anew."""
    with LOCK:
        if holder not in _holders:
            _holders.append(holder)


def let_go(holder: Holder) -> None:
    """The stream is closed; one that was not held is no error."""
    with LOCK:
        _holders[:] = [other for other in _holders if other is not holder]


def look_again() -> bool:
    """See the devices that are there now; open streams are interrupted for it. False where one could not be: try again later.

    Raises:
        AudioError: the library is missing.
    """
    library = load_portaudio()
    with LOCK:
        if any(thread.is_alive() for thread in _closing):
            return False
        _closing.clear()
        paused: list[Holder] = []
        try:
            for holder in tuple(_holders):
                if not holder.pause():
                    return False
                paused.append(holder)
            library._terminate()  # sounddevice has no public name for it: https://github.com/spatialaudio/python-sounddevice/issues/125
            library._initialize()
            return True
        finally:
            for holder in paused:
                holder.resume()


def close_stream(stream: Any) -> None:
    """Close a stream at once, what it still holds is thrown away. One whose sound server hangs is left behind, and keeps nobody waiting."""
    thread = threading.Thread(target=stream.close, name="otto-closes-sound", daemon=True)
    thread.start()
    thread.join(_CLOSES)
    if thread.is_alive():
        _closing.append(thread)
        atexit.unregister(load_portaudio()._exit_handler)  # it would wait for that stream, and the process never end


def load_portaudio() -> Any:
    """The module sounddevice. Raises AudioError: the library is missing."""
    _quiet_alsa()
    try:
        import sounddevice
    except OSError:  # the Linux wheel has no PortAudio inside
        raise AudioError(
            "The PortAudio library is missing", "install it with: apt install libportaudio2 (or dnf install portaudio)"
        ) from None
    return sounddevice


@cache
def _quiet_alsa() -> None:
    """ALSA writes into the terminal what it does not find, several lines for each look at the devices; PortAudio's errors say enough."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # no ALSA, no lines
            ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_ALSA_HANDLER)


def _say_nothing(*about: Any) -> None:
    pass


_ALSA_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)(_say_nothing)


def error_code(error: Exception) -> int:
    """PortAudio's number for what failed, 0 where it gave none."""
    return error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0


def device_of(name: str) -> str | int | None:
    """A setting as PortAudio takes it: a number, a name or part of one, None for the system's default."""
    return int(name) if name.isdecimal() else name or None


def output_devices() -> list[tuple[int, str, bool]]:
    """Number and name of every output device, and whether it is the system's default. Raises AudioError: PortAudio is missing."""
    return _devices("output", 1)


def input_devices() -> list[tuple[int, str, bool]]:
    """Number and name of every input device, and whether it is the system's default. Raises AudioError: PortAudio is missing."""
    return _devices("input", 0)


def _devices(kind: str, index: int) -> list[tuple[int, str, bool]]:
    library = load_portaudio()
    default = library.default.device[index]
    return [
        (number, str(device["name"]), number == default)
        for number, device in enumerate(library.query_devices())
        if device[f"max_{kind}_channels"]
    ]
