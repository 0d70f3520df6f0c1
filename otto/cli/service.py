"""`otto service`: Otto listens from login on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otto.cli.new import new_app

if TYPE_CHECKING:
    from otto.service import Service

app = new_app(help="Have Otto listen from login on.", no_args_is_help=True)


@app.command()
def install() -> None:
    """Start `otto listen` now and at each login."""
    from otto.cli.output import note, out

    file = _service().install()
    out("Otto listens, now and from each login on.")
    note(f"written to {file}; see how it does with: otto service status")


@app.command()
def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Tell whether it runs, and the last that it said. Exit code 3 where it does not run."""
    from otto.cli.output import emit, out
    from otto.errors import EXIT_DONE, EXIT_NOTHING

    found = _service().status()
    if json:
        emit({"installed": found.installed, "running": found.running, "file": str(found.file), "log": list(found.log)})
    else:
        out(found.sentence)
        for line in found.log:
            out(f"  {line}", "dim")
    raise typer.Exit(EXIT_DONE if found.running else EXIT_NOTHING)


@app.command()
def remove() -> None:
    """Stop it, and start it no more."""
    from otto.cli.output import out

    out("Otto is no service any more." if _service().remove() else "Otto was no service.")


def _service() -> Service:
    from otto.config import load_settings
    from otto.service import open_service

    return open_service(load_settings().paths.data / "service.log")
