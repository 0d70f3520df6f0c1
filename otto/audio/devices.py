"""Which microphones and loudspeakers there are, and how a chosen one is opened.

On Linux PortAudio knows the sound server (PulseAudio, or PipeWire in its place) as one device, and the server knows the rest. Those
are asked for through `pactl`, and opened through the environment variable that the server's library reads.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from otto.audio.environment import environment
from otto.audio.portaudio import LOCK, device_of, load_portaudio

Kind = Literal["microphone", "loudspeaker"]
SETTINGS: dict[Kind, str] = {"microphone": "audio.input", "loudspeaker": "audio.output"}
_WAYS = {"microphone": "input", "loudspeaker": "output"}  # PortAudio's words
_SERVER: dict[Kind, tuple[str, str, str]] = {  # the sound server's: list, default, variable (man 5 pulse-client.conf)
    "microphone": ("sources", "default_source_name", "PULSE_SOURCE"),
    "loudspeaker": ("sinks", "default_sink_name", "PULSE_SINK"),
}
_BRIDGES = ("pulse", "default")  # PortAudio's names for the sound server, best first
_ANSWERS = 2.0  # seconds for pactl


@dataclass(frozen=True)
class Device:
    """One microphone or loudspeaker. `kind` and `name` are what `otto devices use` takes."""

    kind: Kind
    number: int | None  # PortAudio's; None where the sound server has it
    name: str
    about: str  # what people call it
    host: str  # what brings it: "Core Audio", "Windows WASAPI", "ALSA", "sound server"
    rate: int  # Hz
    channels: int
    default: bool


def devices(kind: Kind) -> list[Device]:
    """All of a kind that are there: PortAudio's, as it last looked, then the sound server's. Raises AudioError: PortAudio is missing."""
    return [*_known_to_portaudio(kind), *_known_to_server(kind)]


def find_device(kind: Kind, wanted: str) -> Device | None:
    """The one of that number, name, or part of a name, the whole name first; None where it is not there.

    Raises:
        AudioError: PortAudio is missing.
    """
    return _best(_known_to_portaudio(kind), wanted) or _best(_known_to_server(kind), wanted)


@contextlib.contextmanager
def routed(kind: Kind, wanted: str) -> Iterator[str | int | None]:
    """What to open with PortAudio for a wanted device; within the context, a stream that is opened gets it. Empty is the default.

    One that nobody knows is handed on as it is, and PortAudio refuses it.
    """
    found = find_device(kind, wanted) if wanted else None
    if found is None or found.number is not None:
        yield found.number if found else device_of(wanted)
        return
    bridges = {device.name: device.number for device in _known_to_portaudio(kind) if device.name in _BRIDGES}
    with LOCK, environment(_SERVER[kind][2], found.name):
        yield next((bridges[name] for name in _BRIDGES if name in bridges), None)


def _best(known: list[Device], wanted: str) -> Device | None:
    """On Windows one device has a name for each host API, of which the first is that of the default device."""
    ordered = sorted(known, key=lambda device: device.host != next((other.host for other in known if other.default), device.host))
    if wanted.isdecimal():
        return next((device for device in known if device.number == int(wanted)), None)
    part = wanted.casefold()
    exact = (device for device in ordered if part in (device.name.casefold(), device.about.casefold()))
    near = (device for device in ordered if part in device.name.casefold() or part in device.about.casefold())
    return next(exact, None) or next(near, None)


def _known_to_portaudio(kind: Kind) -> list[Device]:
    library = load_portaudio()
    way = _WAYS[kind]
    default = library.default.device[0 if way == "input" else 1]
    hosts = [host["name"] for host in library.query_hostapis()]
    return [
        Device(
            kind, number, item["name"], item["name"], hosts[item["hostapi"]],
            int(item["default_samplerate"]), item[f"max_{way}_channels"], number == default,
        )
        for number, item in enumerate(library.query_devices())
        if item[f"max_{way}_channels"]
    ]  # fmt: skip


def _known_to_server(kind: Kind) -> list[Device]:
    if not sys.platform.startswith("linux"):
        return []
    return _listed(kind, _pactl(*server_command(kind)), _pactl("pactl", "-f", "json", "info"))


def server_command(kind: Kind) -> list[str]:
    """What has the sound server list its devices."""
    return ["pactl", "-f", "json", "list", _SERVER[kind][0]]


def on_server(kind: Kind, wanted: str, listed: bytes) -> bool:
    """Whether the device is in what `server_command` printed."""
    return _best(_listed(kind, listed, b"{}"), wanted) is not None


def pactl_environment() -> dict[str, str]:
    """In which pactl prints numbers as JSON has them."""
    return {**os.environ, "LC_ALL": "C"}


def _pactl(*command: str) -> bytes:
    """What it prints; nothing where there is no pactl, or no server answers."""
    try:
        return subprocess.run(command, capture_output=True, timeout=_ANSWERS, check=True, env=pactl_environment()).stdout
    except (OSError, subprocess.SubprocessError):
        return b""


def _listed(kind: Kind, listed: bytes, about: bytes) -> list[Device]:
    """What loudspeakers play, which the sound server offers as microphones too, comes last."""
    try:
        items, default = json.loads(listed or "[]"), json.loads(about or "{}").get(_SERVER[kind][1])
    except ValueError:  # a pactl that knows no JSON
        return []
    items = sorted(items, key=lambda item: kind == "microphone" and bool(item["monitor_source"]))
    return [
        Device(kind, None, item["name"], item["description"], "sound server", *_format(item), item["name"] == default) for item in items
    ]


def _format(item: dict[str, Any]) -> tuple[int, int]:
    """Rate and channels of `s16le 2ch 44100Hz`."""
    _, channels, rate = item["sample_specification"].split()
    return int(rate.removesuffix("Hz")), int(channels.removesuffix("ch"))


def main(arguments: list[str]) -> int:
    """`python -m otto.audio.devices microphone NAME`: exit code 0 where it is there.

    For a process that has a stream open: its own PortAudio cannot look again without interrupting that.
    """
    kind, wanted = arguments
    return 0 if any(find_device(known, wanted) for known in get_args(Kind) if known == kind) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
