"""`otto finetune data collect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from finetune.commands.data.options import Family, Skills, TokenizerFolder


def collect(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES]...", help="Example files, or folders of them; those of all skills without.", show_default=False),
    ] = None,
    family: Family = "mistral-instruct",
    skills: Skills = "installed",
    tokenizer: TokenizerFolder = None,
    limit: Annotated[int | None, typer.Option(min=16, help="Tokens that the model reads.", show_default="the model's, or its family's")] = None,
    shots: Annotated[int, typer.Option(min=0, help="Examples of each skill that the prompt shows.")] = 1,
    held_out: Annotated[float, typer.Option(min=0, max=0.4, help="Share of templates and of values for each of validation and test.")] = 0.06,
    fixes: Annotated[bool, typer.Option("--fixes", help="Add what `otto fix` kept.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the report there too.", show_default=False)] = None,
) -> None:
    """Turn example files into training rows, JSON lines on the standard output; the report goes to the standard error."""
    from finetune.commands.data.history import corrections
    from finetune.data import collect as work
    from finetune.data.display import show_collected
    from finetune.data.tokenizer import ESTIMATE, open_tokenizer
    from finetune.skills import load_skills
    from otto.cli.output import emit, note
    from otto.errors import EXIT_DONE, EXIT_FAILED
    from otto.tomlfile import replace_file

    work.check_family(family)
    counter = open_tokenizer(tokenizer)
    registry = load_skills(skills)
    examples = work.read_examples(files or [], registry)
    if fixes:
        examples = work.with_corrections(examples, corrections(), registry)
    collected = work.collect(examples, registry, family, counter, shots=shots, limit=limit, held_out=held_out)
    for row in collected.rows:
        emit(row.to_json())
    show_collected(collected)
    if counter.estimate:
        note(ESTIMATE)
    if report:
        replace_file(report, json.dumps(collected.report(), ensure_ascii=False, indent=2) + "\n")
    raise typer.Exit(EXIT_DONE if collected.rows else EXIT_FAILED)
