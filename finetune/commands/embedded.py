"""`otto finetune embedded`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def embedded(
        corpus: Annotated[
            list[Path] | None, typer.Option(help="An extra corpus, NAME_train.jsonl with skills/NAME.json beside it. May be repeated.")
        ] = None,
        out: Annotated[Path, typer.Option(help="Where the weights go.")] = Path("otto-weights"),
        work: Annotated[Path, typer.Option(help="Where checkpoints and logs go; a second start goes on from there.")] = Path("otto-finetune"),
        steps: Annotated[int | None, typer.Option(min=1, help="Steps of the Llama's training.")] = None,
        epochs: Annotated[float | None, typer.Option(min=0.01, help="Epochs of the encoder's tuning.")] = None,
        seed: Annotated[int, typer.Option(help="Seed of every stage.")] = 7,
        threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    ) -> None:
        """Train the embedded router's models from the examples of the bundled skills."""
        from finetune.embedded.encoder import EncoderSettings
        from finetune.embedded.pipeline import Plan, run
        from finetune.embedded.train import LlamaSettings

        llama = LlamaSettings(seed=seed, threads=threads)
        if steps:
            llama = replace(llama, steps=steps, without_list=min(llama.without_list, steps // 3))
        encoder = EncoderSettings(seed=seed, threads=threads)
        if epochs:
            encoder = replace(encoder, epochs=epochs)
        card = run(Plan(work, out, tuple(corpus or ()), llama, encoder), typer.echo)
        for name, scores in card["scores"].items():
            exact, false = scores["embedded"]["exact"], scores["embedded"]["false_calls"]
            typer.echo(f"{name}: {exact['value']:.1%} exact of {exact['n']}, {false['value']:.1%} false of {false['n']}")
