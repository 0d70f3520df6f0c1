"""The root command. Its parts are imported when they are asked for, so that each starts as quickly as it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from otto.cli.new import new_app

PANELS = {  # heading in the help → name → where it is: a function, or a typer app
    "Talk to it": {
        "say": "otto.cli.talk:say",
        "hear": "otto.cli.talk:hear",
        "listen": "otto.cli.listen:listen",
        "press": "otto.cli.press:press",
        "route": "otto.cli.route:route",
        "demo": "otto.cli.demo:demo",
    },
    "What it did": {
        "history": "otto.cli.history:history",
        "undo": "otto.cli.history:undo",
        "fix": "otto.cli.history:fix",
    },
    "Set it up": {
        "skills": "otto.cli.skills:app",
        "models": "otto.cli.models:app",
        "config": "otto.cli.config:app",
        "devices": "otto.cli.devices:app",
        "service": "otto.cli.service:app",
        "doctor": "otto.cli.doctor:doctor",
    },
    "Teach and measure it": {
        "finetune": "otto.cli.rooms:finetune_app",
        "eval": "otto.cli.rooms:eval_app",
    },
}
COMMANDS = {name: place for panel in PANELS.values() for name, place in panel.items()}


class LazyCommands(Mapping[str, Any]):
    """The commands of the table, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = COMMANDS[name].partition(":")
        target = getattr(import_module(module), attribute)
        command: Any = get_command(target if isinstance(target, typer.Typer) else _app_of(target))
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """Knows all names, for help and suggestions, and imports only the command that is run."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.commands = LazyCommands()  # type: ignore[assignment]  # a dict is declared; only a mapping is used

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Called for the help: the commands under their headings."""
        wide = max(map(len, COMMANDS))
        for heading, names in PANELS.items():
            with formatter.section(heading):
                rows = [
                    (f"{name:<{wide}}", self.commands[name].get_short_help_str(formatter.width - wide - 4))
                    for name in names
                ]
                formatter.write_dl(rows)


def _app_of(function: Any) -> typer.Typer:
    app = new_app()
    app.command()(function)
    return app


app = new_app(cls=LazyGroup, no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        from otto import __version__

        print(f"otto {__version__}")
        raise typer.Exit


@app.callback()
def otto(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Otto, a voice assistant: what is said becomes a call, and the call something done.

    Begin with: otto demo
    """
