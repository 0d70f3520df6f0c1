"""`otto finetune chat`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from finetune.export.source import Source


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def chat(
        weights: Annotated[Path, typer.Argument(metavar="RUN|BASE", help="The folder of a stage, of its adapter, or of a base.", show_default=False)],
        adapter: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The adapter, where a base is named.", show_default=False)] = None,
        save: Annotated[Path | None, typer.Option(metavar="FILE.md", help="Keep the comparison there, as Markdown.", show_default=False)] = None,
        skills: Annotated[
            str, typer.Option(metavar="installed|FILE.json|DIR", help="The skills in the prompt.", show_default="those of the run")
        ] = "",
        prompt: Annotated[str, typer.Option(metavar="FILE", help="A prompt of your own, as router.prompt.", show_default=False)] = "",
        grammar: Annotated[bool, typer.Option("--grammar", help="Hold both to the grammar of the skills, as the router does.")] = False,
        max_tokens: Annotated[int, typer.Option(min=1, max=4096, help="Tokens of an answer.")] = 256,
    ) -> None:
        """Show what a base and its tuned self answer to the same words, side by side: typed lines, or lines from a pipe.

        Ctrl-C stops an answer; Ctrl-D, or Ctrl-C at the prompt, ends it.
        """
        from rich.console import Console

        from finetune.chat.pair import Pair
        from finetune.chat.record import Record
        from finetune.chat.screen import Screen
        from finetune.chat.session import converse
        from finetune.skills import INSTALLED, load_skills
        from otto.cli.output import note

        source = _source(weights, adapter)
        base, tuned = source.settings.base, source.weights
        registry = load_skills(skills or (source.settings.skills if source.run else INSTALLED))
        about = [f"base: {base}", f"adapter: {tuned}", f"prompt: {prompt or source.family}, {len(list(registry))} skills"]
        record = Record(save, f"{base.resolve().name}, before and after tuning", about) if save else None
        note(f"Loading {base.name} …")
        pair = Pair(base, tuned, registry, prompt, held=grammar, longest=max_tokens)
        converse(pair, Screen(Console(highlight=False)), record)
        if save:
            note(f"The comparison is in {save}")


def _source(weights: Path, adapter: Path | None) -> Source:
    """The base and the adapter that are named. Raises OttoError where one is missing."""
    from finetune.export.source import Source
    from otto.errors import UsageError

    source = Source.find(weights)
    if adapter is None and source.settings.adapter is None:
        raise UsageError(f"{weights} is a model without an adapter", "name one with --adapter FOLDER")
    if adapter is None:
        return source
    if source.settings.adapter is not None:
        raise UsageError(f"{weights} has an adapter already", "leave --adapter out, or name the base alone")
    return Source.find(adapter, base=weights)
