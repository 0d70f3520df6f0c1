"""`otto config`: the settings."""

from __future__ import annotations

from typing import Annotated

import typer

from otto.cli.new import new_app

app = new_app(help="Show and change the settings.", no_args_is_help=True)


@app.command()
def show(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print every setting as it is in force: the defaults, the file, and the environment over both."""
    import tomlkit

    from otto.cli.output import emit, out
    from otto.config import load_settings

    values = load_settings().model_dump(mode="json")
    if json:
        emit(values)
    else:
        out(tomlkit.dumps({name: table for name, table in values.items() if table}).rstrip())


@app.command()
def path() -> None:
    """Print where the settings file is, or would be."""
    from otto.cli.output import out
    from otto.config import config_file

    out(str(config_file()))


@app.command("set")
def set_(
    key: Annotated[str, typer.Argument(help="The setting: stt.engine", show_default=False)],
    value: Annotated[str, typer.Argument(help="Its value.", show_default=False)],
) -> None:
    """Change one setting in the file; the rest of the file stays as it is."""
    from otto.cli.output import note, out
    from otto.config import config_file, set_value

    file = config_file()
    written = set_value(file, key, value)
    out(
        f"{key} = {written!r}"
        if isinstance(written, str)
        else f"{key} = {str(written).lower() if isinstance(written, bool) else written}"
    )
    note(f"written to {file}")
