"""The command line of `otto eval`: one file a command in commands/."""

from __future__ import annotations

import typer

from eval import commands
from otto.cli.new import room_app


def app() -> typer.Typer:
    """The app with every command."""
    return room_app(commands, "Measure a router or the whole chain.", ("run", "compare", "report", "skill", "bench"))
