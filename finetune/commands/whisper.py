"""`otto finetune whisper`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def whisper(
        out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("otto-whisper"),
        work: Annotated[Path, typer.Option(help="Where clips, checkpoints and logs go; a second start goes on from there.")] = Path(
            "otto-finetune/whisper"
        ),
        clips: Annotated[int | None, typer.Option(min=1, help="Clips to learn from.")] = None,
        steps: Annotated[int | None, typer.Option(min=1, help="Steps of the training.")] = None,
        seed: Annotated[int, typer.Option(help="Seed of every stage.")] = 7,
        threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    ) -> None:
        """Train a small Whisper on synthetic voices that say the bundled skills' commands: for tests, not for people."""
        from finetune.whisper.clips import ClipSettings
        from finetune.whisper.pipeline import Plan, run
        from finetune.whisper.train import WhisperSettings

        spoken = ClipSettings(seed=seed, workers=threads)
        if clips:
            spoken = replace(spoken, clips=clips)
        trained = WhisperSettings(seed=seed, threads=threads)
        if steps:
            trained = replace(trained, steps=steps, short_first=min(trained.short_first, steps // 4))
        card = run(Plan(work, out, spoken, trained), typer.echo)
        for name, score in card["scores"].items():
            typer.echo(f"{name}: word error {score['value']:.1%} ({score['low']:.1%} to {score['high']:.1%}), {score['n']} clips")
