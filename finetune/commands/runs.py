"""`otto finetune runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from finetune.tracking import Run


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def runs(
        folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to look for runs, in it and below.")] = Path("otto-tuned"),
        plot: Annotated[str, typer.Option(metavar="FIGURE", help="Plot this figure, such as loss or eval_loss.", show_default=False)] = "",
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a run.")] = False,
    ) -> None:
        """List the runs of the stages and plot what they measured."""
        from finetune.tracking import find_runs
        from finetune.tracking import plot as draw
        from otto.cli.output import emit, out
        from otto.errors import EXIT_NOTHING, UsageError

        found = find_runs(folder)
        if not found:
            out(f"There are no runs in {folder}.")
            raise typer.Exit(EXIT_NOTHING)
        if as_json:
            for run in found:
                emit({"folder": str(run.folder), **run.facts, "figures": {name: run.curve(name)[-1][1] for name in run.figures}})
            return
        _table(found)
        if plot and not any(run.curve(plot) for run in found):
            known = ", ".join(dict.fromkeys(name for run in found for name in run.figures))
            raise UsageError(f"No run measured {plot}", f"they measured: {known}")
        for run in found if plot else []:
            if curve := run.curve(plot):
                out(f"\n{plot} of {run.folder}", "bold")
                for line in draw(curve):
                    out(line)


def _table(found: list[Run]) -> None:
    import time

    from otto.cli.output import add_row, new_table, show_table

    table = new_table("folder", "stage", "state", "started", "step", "loss", "exact before", "after")
    for run in found:
        facts = run.facts
        loss = run.curve("eval_loss") or run.curve("loss")
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.get("started", 0)))
        step = str(max((row.get("step", 0) for row in run.metrics), default=0))
        add_row(
            table, str(run.folder), facts["stage"], facts.get("state", ""), started, step,
            f"{loss[-1][1]:.4g}" if loss else "", _exact(facts, "before"), _exact(facts, "after"),
        )  # fmt: skip
    show_table(table)


def _exact(facts: dict[str, Any], when: str) -> str:
    share = (facts.get(when) or {}).get("exact")
    return f"{share['value']:.1%} of {share['n']}" if share else ""
