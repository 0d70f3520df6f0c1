"""Options that several commands of the group have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Skills = Annotated[str, typer.Option(metavar="installed|FILE.json|DIR", help="The skills.")]
TokenizerFolder = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Count tokens as the model in this folder does.", show_default=False)]
Family = Annotated[str, typer.Option("--format", metavar="FAMILY", help="The model family whose prompt is rendered.")]

Model = Annotated[str, typer.Option(metavar="NAME", help="The server's model.", show_default="openai.model of the settings")]
BaseUrl = Annotated[str, typer.Option(metavar="URL", help="An OpenAI-compatible server.", show_default="openai.base_url of the settings")]
ApiKeyEnv = Annotated[str, typer.Option(metavar="NAME", help="The environment variable with its key.", show_default=False)]
PriceIn = Annotated[float, typer.Option(min=0, metavar="DOLLARS", help="Price of a million tokens that are read.")]
PriceOut = Annotated[float, typer.Option(min=0, metavar="DOLLARS", help="… that are written.")]
State = Annotated[Path | None, typer.Option(metavar="FILE", help="Where a run that is broken off is kept.", show_default="in the cache")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over where a run was broken off.")]


def state_file(given: Path | None, command: str, name: str, fresh: bool) -> Path:
    """The file of a run that may be broken off; deleted where it is to start over."""
    from otto.config import load_settings

    path = given or load_settings().paths.cache / command / f"{name}.jsonl"
    if fresh:
        path.unlink(missing_ok=True)
    return path
