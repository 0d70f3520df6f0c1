"""The command line of `otto finetune`: one file a command or group of commands in commands/."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import typer

from finetune import commands
from otto.cli.new import new_app

ORDER = ("data", "train", "export", "chat", "runs", "embedded")  # in the help


def app() -> typer.Typer:
    """The app with every command."""
    found = new_app(help="Make routers from the examples of skills.", no_args_is_help=True)

    @found.callback()
    def group() -> None:
        """Make routers from the examples of skills."""

    names = {module.name for module in iter_modules(commands.__path__)}
    for name in sorted(names, key=lambda name: (name not in ORDER, ORDER.index(name) if name in ORDER else 0, name)):
        import_module(f"finetune.commands.{name}").register(found)
    return found
