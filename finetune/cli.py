"""The command line of `otto finetune`: one file a command or group of commands in commands/."""

from __future__ import annotations

import typer

from finetune import commands
from otto.cli.new import room_app


def app() -> typer.Typer:
    """The app with every command."""
    return room_app(commands, "Make routers from the examples of skills.", ("data", "train", "runs", "export", "embedded", "whisper"))
