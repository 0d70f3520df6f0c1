"""`otto finetune data push` and `pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Files of rows.", show_default=False)],
    name: Annotated[str, typer.Option(metavar="NAME", help="The artifact's name.")] = "otto-training",
) -> None:
    """Log files to Weights & Biases as an artifact: what is said in them goes to its server, unless WANDB_MODE=offline."""
    from finetune.data import artifacts
    from otto.cli.output import out

    out(artifacts.push(files, name))


def pull(
    address: Annotated[str, typer.Argument(metavar="[ENTITY/][PROJECT/]NAME:VERSION", help="The artifact.", show_default=False)],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where its files go.")] = Path(),
) -> None:
    """Get the files of an artifact from Weights & Biases."""
    from finetune.data import artifacts
    from otto.cli.output import out

    for path in artifacts.pull(address, to):
        out(str(path))
