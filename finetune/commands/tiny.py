"""`otto finetune tiny`: a base to try the stages with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def tiny(
        rows: Annotated[Path, typer.Argument(metavar="ROWS", help="Training rows of a few skills.", show_default=False)],
        out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the base goes.")] = Path("otto-tuned/base"),
        kind: Annotated[str, typer.Option(metavar="mistral|llama", help="Its architecture, the one whose --format the rows have.")] = "mistral",
        steps: Annotated[int, typer.Option(min=1, help="Steps of its training.")] = 1000,
        seed: Annotated[int, typer.Option(help="Seed of its weights.")] = 1,
    ) -> None:
        """Make a base to try the stages with, where there is neither a GPU nor a model: a third of a million parameters, in a minute.

        It knows the rows' words and answers in another notation than calls, which is left for a stage to teach.
        """
        from finetune.rows import read_training_rows
        from finetune.stages.model import require_packages
        from finetune.stages.training import quiet
        from finetune.tiny import KINDS, lessons, make_base
        from otto.cli.output import note
        from otto.cli.output import out as show
        from otto.errors import UsageError

        if kind not in KINDS:
            raise UsageError(f"There is no kind {kind}", f"use one of: {', '.join(KINDS)}")
        if (out / "config.json").exists():
            raise UsageError(f"In {out} lies a model already", "name another folder, or delete that one")
        require_packages()
        with quiet():
            loss = make_base(lessons(read_training_rows(rows)), out, kind=kind, steps=steps, seed=seed, note=note)
        show(f"The base is in {out}; its loss came to {loss:.3f}")
