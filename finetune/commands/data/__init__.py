"""`otto finetune data`: what a router learns from. One file a command."""

from __future__ import annotations

import typer

from finetune.commands.data import artifacts, collect, convert, generate, pairs, reflect, tokens
from otto.cli.new import new_app

HELP = "Collect, make, convert and count training data."


def register(app: typer.Typer) -> None:
    """Add the group."""
    data = new_app(help=HELP, no_args_is_help=True)
    data.callback(help=HELP)(lambda: None)
    made = (collect.collect, convert.convert, tokens.tokens, generate.generate, pairs.pairs, reflect.reflect)
    for command in (*made, artifacts.push, artifacts.pull):
        data.command()(command)
    app.add_typer(data, name="data")
