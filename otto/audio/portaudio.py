"""PortAudio: loaded where it is needed, its devices, and what its errors mean."""

from __future__ import annotations

from typing import Any

from otto.errors import AudioError

TAKEN = -9985  # paDeviceUnavailable
BAD_RATE = -9997  # paInvalidSampleRate
BAD_CHANNELS = -9998  # paInvalidChannelCount


def load_portaudio() -> Any:
    """The module sounddevice. Raises AudioError: the library is missing."""
    try:
        import sounddevice
    except OSError:  # the Linux wheel has no PortAudio inside
        raise AudioError(
            "The PortAudio library is missing", "install it with: apt install libportaudio2 (or dnf install portaudio)"
        ) from None
    return sounddevice


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
