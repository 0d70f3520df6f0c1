"""`otto finetune sft`, `dpo`, `grpo`, `ppo`: one stage each; `otto finetune run`: a chain of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from finetune.stages.training import Outcome
    from finetune.tracking import Opener

Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CONFIG.yaml] [name=value]...", help="The settings' file, the shipped one without, and changes.", show_default=False),
]
Wandb = Annotated[bool, typer.Option("--wandb", help="Log to Weights & Biases too: figures, answers, the adapter.")]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Log to TensorBoard's files in OUT/tensorboard too.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved settings, a memory estimate and the steps; train nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def sft(settings: Settings = None, wandb: Wandb = False, tensorboard: TensorBoard = False, dry_run: DryRun = False) -> None:
        """Tune a base on training rows: QLoRA on a GPU, LoRA on a CPU.

        The same command goes on from the last checkpoint after a kill.
        """
        _stage("sft", settings or [], wandb, tensorboard, dry_run)

    @app.command()
    def dpo(settings: Settings = None, wandb: Wandb = False, tensorboard: TensorBoard = False, dry_run: DryRun = False) -> None:
        """Tune an adapter on pairs of a better and a worse answer.

        The same command goes on from the last checkpoint after a kill.
        """
        _stage("dpo", settings or [], wandb, tensorboard, dry_run)

    @app.command()
    def grpo(settings: Settings = None, wandb: Wandb = False, tensorboard: TensorBoard = False, dry_run: DryRun = False) -> None:
        """Tune an adapter by verifiable rewards of its own answers, each against the others to its prompt.

        The same command goes on from the last checkpoint after a kill.
        """
        _stage("grpo", settings or [], wandb, tensorboard, dry_run)

    @app.command()
    def ppo(settings: Settings = None, wandb: Wandb = False, tensorboard: TensorBoard = False, dry_run: DryRun = False) -> None:
        """Tune an adapter by verifiable rewards of its own answers, each against what a value head expected.

        The same command goes on from the last checkpoint after a kill.
        """
        _stage("ppo", settings or [], wandb, tensorboard, dry_run)

    @app.command("run")
    def run_plan(
        plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan.", show_default=False)],
        overrides: Annotated[list[str] | None, typer.Argument(metavar="[name=value]...", help="Changes of it.", show_default=False)] = None,
        wandb: Wandb = False,
        tensorboard: TensorBoard = False,
        dry_run: DryRun = False,
    ) -> None:
        """Run the stages of a plan in a chain, with an evaluation between; what makes the score worse ends it.

        The same command goes on where a run was broken off.
        """
        from finetune.chain import check, run
        from finetune.config import load_plan
        from otto.cli.output import note, out

        with _one_speaks() as speaks:
            settings = load_plan(plan, overrides or [])
            if dry_run:
                from finetune.stages.plan import describe

                for stage in check(settings, plan.parent):
                    for line in (*describe(stage), "") if speaks else ():
                        out(line)
                return
            adapter = run(settings, plan.parent, note, _sinks(wandb, tensorboard))
            if speaks:
                out(f"The adapter is in {adapter}")


def _stage(name: str, words: list[str], wandb: bool, tensorboard: bool, dry_run: bool) -> None:
    from importlib import import_module

    from finetune.config import load_stage, shipped
    from otto.cli.output import note, out
    from otto.errors import UsageError

    with _one_speaks() as speaks:
        named = bool(words) and "=" not in words[0]
        settings = load_stage(Path(words[0]) if named else shipped(name), words[1:] if named else words)
        if settings.stage != name:
            raise UsageError(f"{words[0]} has the settings of the stage {settings.stage}", f"run it with `otto finetune {settings.stage} {words[0]}`")
        if dry_run:
            from finetune.stages.plan import describe

            for line in describe(settings) if speaks else ():
                out(line)
            return
        outcome = import_module(f"finetune.stages.{name}").run(settings, note, _sinks(wandb, tensorboard))
        if speaks:
            show_outcome(outcome)


@contextmanager
def _one_speaks() -> Iterator[bool]:
    """Whether this process is the one of several that prints; what the others say would be the same."""
    from finetune.stages.processes import is_main
    from otto.errors import OttoError

    try:
        yield is_main()
    except OttoError as error:
        if is_main():
            raise
        raise typer.Exit(error.exit_code) from None


def _sinks(wandb: bool, tensorboard: bool) -> list[Opener]:
    from finetune import sinks

    return [*([sinks.open_wandb] if wandb else []), *([sinks.open_tensorboard] if tensorboard else [])]


def show_outcome(outcome: Outcome) -> None:
    """The shares before and after, and where the adapter is."""
    from otto.cli.output import add_row, new_table, out, show_table

    if outcome.after:
        table = new_table("", "before", "after")
        for name, after in outcome.after.items():
            before = outcome.before.get(name)
            add_row(table, name.replace("_", " "), _share(before) if before else "", _share(after))
        show_table(table)
    out(f"The adapter of {outcome.steps:,} steps is in {outcome.adapter}")


def _share(share: dict[str, float]) -> str:
    return f"{share['value']:.1%} ({share['low']:.1%} to {share['high']:.1%}, n = {share['n']:.0f})" if share["n"] else "no such rows"
