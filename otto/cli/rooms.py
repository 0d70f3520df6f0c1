"""`otto finetune …` and `otto eval …`: programs of their own, started with the arguments as they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand

from otto.cli.new import new_app


class _AsIs(TyperCommand):
    """Everything behind the name is the program's own: `--help` and `--` too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []


def run_room(name: str, arguments: Sequence[str]) -> int:
    """Run `python -m NAME ARGUMENTS` with the room on the path; returns its exit code.

    Raises:
        OttoError: this installation has no such room.
    """
    from otto.errors import OttoError
    from otto.paths import room, rooms

    if not (room(name) / "__main__.py").is_file():
        raise OttoError(f"This Otto has no {name} command", "upgrade it with: pip install --upgrade otto-assistant")
    paths = [str(rooms()), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONSAFEPATH": "1",  # a folder of the same name where the user stands must not be run instead
    }
    goes_along = _end_with_parent if sys.platform == "linux" else None
    child = subprocess.Popen([sys.executable, "-m", name, *arguments], env=environment, preexec_fn=goes_along)
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())  # who ends this means the program
    try:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the program got it too, and ends in its own way
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it is killed: two trainings in one folder would spoil each other."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _app(name: str, help: str) -> typer.Typer:
    app = new_app()

    @app.command(help=help, cls=_AsIs)
    def room(context: typer.Context) -> None:
        raise typer.Exit(run_room(name, context.args))

    return app


finetune_app = _app("finetune", "Train a router from examples and corrections.")
eval_app = _app("eval", "Measure a router or the whole chain.")
