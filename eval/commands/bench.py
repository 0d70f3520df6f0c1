"""`otto eval bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def bench(
        data: Annotated[
            Path | None, typer.Option(metavar="DIR", help="The folder of the public suites; without it, desk alone.", show_default=False)
        ] = None,
        suites: Annotated[str, typer.Option(metavar="NAME,NAME", help="Default: all that the data allow.", show_default=False)] = "",
        engines: Annotated[str, typer.Option(metavar="NAME,NAME", help="Otto's engines; default: all.", show_default=False)] = "",
        peers: Annotated[str, typer.Option(metavar="NAME,NAME|none", help="Other recognisers; default: all.", show_default=False)] = "",
        limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Draw N cases of each suite by the seed.", show_default=False)] = None,
        seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
        runs: Annotated[Path, typer.Option(metavar="DIR", help="Where each run's results go. What is there goes on.")] = Path("eval-runs/bench"),
        out: Annotated[Path | None, typer.Option(metavar="FILE.md", help="Write the page here.", show_default="print it")] = None,
        barista_plugin: Annotated[
            Path | None, typer.Option(metavar="DIR", help="The coffee skill of the suite barista.", show_default="that of Otto's repository")
        ] = None,
        install_peers: Annotated[bool, typer.Option("--install-peers", help="Install the peers into an environment of their own, and end.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON object with every summary.")] = False,
    ) -> None:
        """Measure Otto's engines and other recognisers on the same cases, side by side."""
        from eval.bench import Plan, run_bench
        from eval.bench_page import written
        from eval.display import progress_watcher
        from eval.peers.install import install_peers as install
        from otto.cli.output import emit, note
        from otto.cli.output import out as say
        from otto.config import load_settings
        from otto.errors import EXIT_FAILED, StoreError

        settings = load_settings()
        if install_peers:
            failed = install(settings, note)
            for sentence in failed:
                note(sentence, "bad")
            raise typer.Exit(EXIT_FAILED if failed else 0)
        plan = Plan.of(data, suites, engines, peers, limit, seed, runs, barista_plugin)
        report = run_bench(plan, settings, progress_watcher())
        report.require_figures()
        page = written(report)
        if out is not None:
            try:
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_text(page, encoding="utf-8")
            except OSError as error:
                raise StoreError(f"{out} cannot be written ({error.strerror})", "choose another file with --out") from None
            note(f"Written to {out}")
        if as_json:
            emit(report.to_json())
        elif out is None:
            say(page)
