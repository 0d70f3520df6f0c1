"""`otto models`: the weights on this machine, and their download."""

from __future__ import annotations

from typing import Annotated

import typer

from otto.cli.new import new_app

app = new_app(help="List and download models.", no_args_is_help=True)
Name = Annotated[
    str,
    typer.Argument(help="A Whisper size such as small.en, or owner/name of a router's base model.", show_default=False),
]


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a model.")] = False) -> None:
    """List the models that can be had, and those on this machine."""
    from otto.cli.output import add_row, emit, new_table, show_table
    from otto.config import load_settings
    from otto.models import list_models

    models = list_models(load_settings())
    if json:
        for model in models:
            emit(
                {
                    "name": model.name,
                    "kind": model.kind,
                    "installed": model.installed,
                    "megabytes": model.megabytes,
                    "path": str(model.path),
                }
            )
        return
    table = new_table("model", "for", "size", "state")
    for model in models:
        size = "" if model.megabytes is None else f"{model.megabytes:,} MB"
        add_row(
            table,
            model.name,
            model.kind,
            size,
            "on this machine" if model.installed else f"otto models pull {model.name}",
        )
    show_table(table)


@app.command()
def pull(name: Name) -> None:
    """Download a model. Nothing else in Otto ever does."""
    from otto.cli.output import note, out
    from otto.config import load_settings
    from otto.models import pull_model

    folder = pull_model(load_settings(), name)
    note(f"{name} is on this machine:")
    out(str(folder))


@app.command()
def path(name: Name) -> None:
    """Print the folder of a model that is on this machine."""
    from otto.cli.output import out
    from otto.config import load_settings
    from otto.models import model_path

    out(str(model_path(load_settings(), name)))
