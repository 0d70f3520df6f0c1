"""`otto devices`: the microphones and loudspeakers, and which of them Otto uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from otto.cli.new import new_app

if TYPE_CHECKING:
    from otto.audio.devices import Device, Kind
    from otto.config import Settings

app = new_app(help="List and choose microphones and loudspeakers.", no_args_is_help=True)


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a device.")] = False) -> None:
    """List the microphones and loudspeakers of this machine; a star marks those that Otto uses."""
    from otto.audio.devices import SETTINGS, devices
    from otto.cli.output import add_row, emit, new_table, note, show_table
    from otto.config import load_settings

    settings = load_settings()
    found = [(device, device == _used(device.kind, settings)) for kind in SETTINGS for device in devices(kind)]
    if json:
        for device, used in found:
            emit({**vars(device), "used": used})
        return
    if not found:
        note("There is no microphone and no loudspeaker; plug one in.")
        return
    table = new_table("", "kind", "number", "rate", "name")
    for device, used in found:
        number = "" if device.number is None else str(device.number)
        about = f" ({device.about})" if device.about != device.name else ""
        name = f"{device.name}{about}{', default' if device.default else ''}"
        add_row(table, "*" if used else "", device.kind, number, f"{device.rate:,} Hz", name)
    show_table(table)


@app.command()
def use(
    kind: Annotated[str, typer.Argument(help="microphone or loudspeaker", show_default=False)],
    name: Annotated[str, typer.Argument(help="Name, part of it, or number; default is the system's.", show_default=False)],
) -> None:
    """Choose a microphone or a loudspeaker, and remember it."""
    from otto.audio.devices import SETTINGS, Kind, find_device
    from otto.cli.output import note, out
    from otto.config import config_file, set_value
    from otto.errors import AudioError, UsageError

    chosen: Kind | None = next((known for known in get_args(Kind) if known == kind), None)
    if chosen is None:
        raise UsageError(f"There are no devices of the kind {kind!r}", "name microphone or loudspeaker")
    device = None if name == "default" else find_device(chosen, name)
    if device is None and name != "default":
        raise AudioError(f"There is no {chosen} {name!r}", "see those that there are: otto devices list")
    file = config_file()
    set_value(file, SETTINGS[chosen], device.name if device else "")
    out(f"{chosen}: {device.name if device else 'the default of the system'}")
    note(f"written to {file}")


def _used(kind: Kind, settings: Settings) -> Device | None:
    """The one that is opened for the settings: where the chosen one is not there, the default."""
    from otto.audio.devices import devices, find_device

    wanted = settings.audio.input if kind == "microphone" else settings.audio.output
    found = find_device(kind, wanted) if wanted else None
    return found or next((device for device in devices(kind) if device.default), None)
