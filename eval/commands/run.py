"""`otto eval run`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from eval.measure import Measured, Options


def _limit(help: str) -> Any:
    return typer.Option(min=0, max=1, metavar="SHARE", help=help, show_default=False)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def run(
        cases: Annotated[
            list[str] | None,
            typer.Argument(metavar="[CASES]...", help="JSONL, example files, folders with labels.jsonl, W&B artifacts.", show_default=False),
        ] = None,
        skills: Annotated[str, typer.Option(metavar="FILE.json|DIR|installed", help="The skills to route to.")] = "installed",
        train: Annotated[str, typer.Option(metavar="FILE", help="Cases that teach the router first.", show_default=False)] = "",
        router: Annotated[str, typer.Option(metavar="NAME", help="Default: that of the settings.", show_default=False)] = "",
        model: Annotated[str, typer.Option(metavar="NAME|DIR", help="A base model, in place of the tuned one.", show_default=False)] = "",
        adapter: Annotated[str, typer.Option(metavar="DIR", help="A LoRA adapter for it.", show_default=False)] = "",
        prompt: Annotated[str, typer.Option(metavar="TEXT", help="A prompt, in place of the router's.", show_default=False)] = "",
        prompt_file: Annotated[str, typer.Option(metavar="FILE", help="The same from a file.", show_default=False)] = "",
        candidates: Annotated[
            int | None, typer.Option(metavar="K", min=2, help="Show each case its skill among K-1 others.", show_default=False)
        ] = None,
        limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Draw N cases by the seed.", show_default=False)] = None,
        seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
        skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out bad rows; they are counted and listed.")] = False,
        stt: Annotated[str, typer.Option(metavar="NAME", help="The speech engine for recordings.", show_default=False)] = "",
        noise: Annotated[str, typer.Option(metavar="FILE", help="Noise to mix into recordings.", show_default=False)] = "",
        snr: Annotated[str, typer.Option(metavar="DB,DB", help="How loud: signal to noise in dB; clean is without.", show_default=False)] = "",
        scorer: Annotated[str, typer.Option(metavar="calls|bfcl", help="bfcl: BFCL's own files by BFCL's rules.")] = "calls",
        out: Annotated[
            Path | None,
            typer.Option(metavar="DIR", help="Where results go. Where this run was broken off there, it goes on.", show_default="eval-runs/…"),
        ] = None,
        min_exact: Annotated[float | None, _limit("Exit code 1 below this share of exact calls.")] = None,
        min_skill: Annotated[float | None, _limit("… of right skills.")] = None,
        min_f1: Annotated[float | None, _limit("… of the arguments' F1.")] = None,
        min_valid: Annotated[float | None, _limit("… of valid calls.")] = None,
        max_false_call: Annotated[float | None, _limit("Exit code 1 above this share of false calls.")] = None,
        max_missed_call: Annotated[float | None, _limit("… of missed calls.")] = None,
        max_ece: Annotated[float | None, _limit("… calibration error.")] = None,
        concurrency: Annotated[
            int | None, typer.Option(min=1, max=64, help="Requests at a time to a server.", show_default="4 for openai")
        ] = None,
        attempts: Annotated[int, typer.Option(min=1, help="Attempts at a case where a server fails, before the run ends.")] = 5,
        budget: Annotated[int | None, typer.Option(metavar="N", min=1, help="Requests to the server, at most.", show_default=False)] = None,
        budget_tokens: Annotated[int | None, typer.Option(metavar="N", min=1, help="Its tokens, about at most.", show_default=False)] = None,
        no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask the model again what it has answered before.")] = False,
        wandb: Annotated[bool, typer.Option("--wandb", help="Log the run to Weights & Biases too.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
    ) -> None:
        """Route every case and score the calls.

        Exit code 1: a rate is beyond its limit, or the run ended before its last case. Given again, the command goes on where it ended;
        `otto eval run --out DIR` alone does, too.
        """
        from eval.display import progress_watcher, show_summary
        from eval.measure import RUN, Options, earlier_options, measure, new_folder
        from eval.noise import decibels
        from eval.runner import Pace
        from eval.tracking import log_run, require_wandb
        from otto.cli.output import emit, note
        from otto.config import load_settings
        from otto.errors import EXIT_DONE, EXIT_FAILED, UsageError

        settings = load_settings()
        if wandb:
            require_wandb()  # before hours of work, not after them
        given = Options(
            tuple(cases or ()), skills, train, router, model, adapter, prompt, prompt_file, candidates, limit, seed, skip_bad,
            stt, noise, decibels(snr) if snr else (), scorer,
        )  # fmt: skip
        if cases:
            options = replace(given, router=router or settings.router.engine)
        elif out is None:
            raise UsageError("There are no cases", "give a .jsonl file, an example file, or a folder with labels.jsonl")
        elif given != Options((), router=""):
            raise UsageError("Without cases, the run in --out goes on as it was asked", "name the cases, or leave out what says how they are run")
        else:
            options = earlier_options(out)
        folder = out or new_folder(options.router)
        pace = Pace(concurrency or (4 if options.router == "openai" else 1), attempts, requests=budget, tokens=budget_tokens)
        watcher = progress_watcher()
        command = ["otto", "eval", *sys.argv[1:]]
        try:
            measured = measure(options, settings, folder, pace=pace, use_cache=not no_cache, watcher=watcher, command=command)
        except KeyboardInterrupt:
            if (folder / RUN).is_file():
                note(f"Stopped. Go on with: otto eval run --out {folder}")
            raise
        emit({**measured.summary, "out": str(measured.folder)}) if as_json else show_summary(measured.summary, measured.folder)
        limits = {
            "exact_match": (min_exact, None),
            "skill_accuracy": (min_skill, None),
            "argument_f1": (min_f1, None),
            "valid_call_rate": (min_valid, None),
            "false_call_rate": (None, max_false_call),
            "missed_call_rate": (None, max_missed_call),
            "ece": (None, max_ece),
        }
        failures = [*_unfinished(measured, options), *_beyond(measured.summary, limits)]
        for failure in failures:
            note(failure, "bad")
        if wandb and measured.summary["n"]:
            note(log_run(measured.folder))
        raise typer.Exit(EXIT_FAILED if failures else EXIT_DONE)


def _unfinished(measured: Measured, options: Options) -> list[str]:
    """Why there is no result of every case, and how to go on."""
    summary = measured.summary
    if summary["complete"]:
        return []
    reason = f" {measured.stopped}" if measured.stopped else ""
    counts = f"Only {summary['n']:,} of {summary['asked']:,} cases were run, and the rates are of these alone."
    return [f"{counts}{reason} Go on with: otto eval run --out {measured.folder}"]


def _beyond(summary: dict[str, Any], limits: dict[str, tuple[float | None, float | None]]) -> list[str]:
    """The rates that are beyond their limits. A rate of no case is beyond any."""
    found = []
    for name, (least, most) in limits.items():
        value, n = summary[name]["value"], summary[name]["n"]
        words = name.replace("_", " ")
        if value is None and (least is not None or most is not None):
            found.append(f"{words} has a limit, and there is no case for it.")
        elif least is not None and value < least:
            found.append(f"{words} is {value:.4f} of {n:,}, below {least:g}.")
        elif most is not None and value > most:
            found.append(f"{words} is {value:.4f} of {n:,}, above {most:g}.")
    return found
