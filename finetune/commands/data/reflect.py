"""`otto finetune data reflect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finetune.commands.data.options import Skills


def reflect(
    rows: Annotated[Path, typer.Argument(metavar="FILE", help="Training rows.", show_default=False)],
    mistakes: Annotated[float, typer.Option(min=0, max=1, help="Share of rows with a planted mistake that is noticed.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of what is planted where.")] = 0,
    skills: Skills = "installed",
) -> None:
    """Turn training rows into rows that answer with <thinking>, <reflection> and <output>, JSON lines on the standard output."""
    import random
    from collections import Counter

    from finetune.data.display import show_left_out
    from finetune.data.pairs import LeftOut, check_rows
    from finetune.data.reflect import CLEAN, PLANTED
    from finetune.data.reflect import reflect as work
    from finetune.rows import read_training_rows
    from finetune.skills import load_skills
    from otto.cli.output import emit, note
    from otto.errors import EXIT_DONE, EXIT_FAILED

    registry = load_skills(skills)
    given = read_training_rows(rows)
    check_rows(given, registry)
    left_out = LeftOut()
    counts: Counter[str] = Counter()
    for row, kind in work(given, registry, random.Random(seed), left_out, mistakes=mistakes):
        emit(row.to_json())
        counts[kind] += 1
    note(f"{sum(counts.values()):,} rows: {counts[PLANTED]:,} with a planted mistake, {counts[CLEAN]:,} clean")
    show_left_out(left_out.items)
    raise typer.Exit(EXIT_DONE if counts else EXIT_FAILED)
