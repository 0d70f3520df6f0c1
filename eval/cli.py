"""The command line of `otto eval`: one file a command in commands/."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import typer

from eval import commands
from otto.cli.new import new_app

ORDER = ("run", "compare", "report", "skill", "bench")  # in the help


def app() -> typer.Typer:
    """The app with every command."""
    found = new_app(help="Measure a router or the whole chain.", no_args_is_help=True)

    @found.callback()
    def group() -> None:
        """Measure a router or the whole chain."""

    names = {module.name for module in iter_modules(commands.__path__)}
    for name in sorted(names, key=lambda name: (name not in ORDER, ORDER.index(name) if name in ORDER else 0, name)):
        import_module(f"eval.commands.{name}").register(found)
    return found
