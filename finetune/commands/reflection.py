"""`otto finetune reflection`: does reflection mend mistakes?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from finetune.reflection import Figure, Found


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def reflection(
        rows: Annotated[Path, typer.Argument(metavar="ROWS", help="Training rows, with a test part.", show_default=False)],
        settings: Annotated[
            list[str] | None, typer.Argument(metavar="[name=value]...", help="Settings of the supervised stage.", show_default=False)
        ] = None,
        seeds: Annotated[int, typer.Option(min=2, help="How often each model is tuned.")] = 3,
        mistakes: Annotated[float, typer.Option(min=0, max=1, help="Share of rows with a planted mistake.")] = 0.5,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        """Tune a base with and without reflection, plant mistakes, and say whether they are mended.

        The same command goes on where a run was broken off.
        """
        from finetune.config import Sft, load_stage, shipped
        from finetune.reflection import experiment
        from otto.cli.output import emit, note

        given = load_stage(shipped("sft"), ["out=otto-tuned/reflection", *(settings or []), f"data={rows}"])
        assert isinstance(given, Sft)
        found = experiment(given, seeds, mistakes, note)
        if as_json:
            emit(report(found))
        else:
            show(found)


def report(found: Found) -> dict[str, Any]:
    """All figures, for a program."""
    figures = {arm: {name: _shown(figure) for name, figure in measured.items()} for arm, measured in found.figures.items()}
    differences = {"mends": _shown(found.mends), "answers_better": _shown(found.answers_better)}
    return {**figures, **differences, "rows": found.rows, "mistakes": found.mistakes, "verdict": found.verdict()}


def show(found: Found) -> None:
    """A table of the arms, and the verdict."""
    from finetune.data import display
    from otto.cli.output import add_row, new_table, out

    table = new_table("tuned with", "exact", "mended", "kept")
    names = {"plain": "answers at once", "clean": "thoughts, right drafts", "planted": "thoughts, mistakes planted"}
    for arm, measured in found.figures.items():
        add_row(table, names[arm], *(_share(measured.get(name)) for name in ("exact", "mended", "kept")))
    display.show(table, stderr=False)
    seeds = len(found.figures["plain"]["exact"].values)
    out(f"Means of {seeds} seeds with 95 % intervals; exact and kept of {found.rows} test rows, mended of {found.mistakes} wrong drafts.")
    for sentence in found.verdict():
        out(sentence)


def _share(figure: Figure | None) -> str:
    if figure is None:
        return ""
    low, high = figure.interval
    return f"{figure.mean:.1%} ({max(0.0, low):.1%} to {min(1.0, high):.1%})"


def _shown(figure: Figure) -> dict[str, Any]:
    low, high = figure.interval
    return {"mean": figure.mean, "low": low, "high": high, "seeds": list(figure.values)}
