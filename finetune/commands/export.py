"""`otto finetune export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def export(
        run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, of its adapter or a checkpoint, or of a whole model.")],
        to: Annotated[str, typer.Option(metavar="TARGETS", help="Some of merged, onnx, gguf, with commas between.")] = "merged",
        out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where they go; RUN/export without.", show_default=False)] = None,
        kind: Annotated[str, typer.Option(metavar="KIND", help="Of the GGUF's matrices: f32, f16 or q8_0.")] = "f16",
        base: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The base, where it has moved.", show_default=False)] = None,
        check: Annotated[int, typer.Option(min=0, help="Compare each target's answers with the adapter's in so many cases.")] = 0,
        rows: Annotated[Path | None, typer.Option(metavar="FILE", help="Rows for --check; the run's own without.", show_default=False)] = None,
    ) -> None:
        """Merge a tuned adapter into its base, and write the weights as runtimes load them.

        Each target has its card and its prompt beside it, and is there whole or not at all.
        """
        from finetune.export.run import Order
        from finetune.export.run import export as carry_out
        from finetune.export.source import Source
        from otto.cli.output import note

        targets = tuple(dict.fromkeys(name.strip() for name in to.split(",") if name.strip()))
        carry_out(Source.find(run, base), Order(out or run / "export", targets, kind, rows, check), note)
