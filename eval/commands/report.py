"""`otto eval report`."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def report(
        run: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that otto eval run wrote.")],
        out: Annotated[Path | None, typer.Option(help="The page's file; default: DIR/report.html.", show_default=False)] = None,
        failures: Annotated[int | None, typer.Option(min=0, help="Failures that the table shows at most.", show_default="2000")] = None,
        open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
        wandb: Annotated[bool, typer.Option("--wandb", help="Log the run to Weights & Biases too; what was said goes there.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    ) -> None:
        """Write one HTML page about a run; it needs no network."""
        from eval.report import MAX_FAILURES, write_report
        from eval.runs import read_run
        from eval.tracking import log_run
        from otto.cli.output import emit
        from otto.cli.output import out as say

        found = read_run(run)
        _know_skills(found.summary)
        page = write_report(found, out, MAX_FAILURES if failures is None else failures)
        logged = log_run(run) if wandb else None
        if as_json:
            emit({"report": str(page), "n": found.summary["n"], "complete": found.summary["complete"], "wandb": logged})
        else:
            say(str(page))
            if logged:
                say(f"W&B: {logged}")
        if open_page:
            webbrowser.open(page.resolve().as_uri())


def _know_skills(summary: Mapping[str, Any]) -> None:
    """Let values be compared by the normalisers of the run's skills; where these are gone, they are compared as they are written."""
    from eval.skillset import INSTALLED, load_skills
    from otto.config import load_settings
    from otto.errors import OttoError

    with suppress(OttoError):
        load_skills(summary.get("options", {}).get("skills", INSTALLED), load_settings()).install()
