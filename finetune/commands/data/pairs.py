"""`otto finetune data pairs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.commands.data.history import turns
from finetune.commands.data.options import ApiKeyEnv, BaseUrl, Family, Fresh, Model, PriceIn, PriceOut, Skills, State, state_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finetune.data.pairs import LeftOut
    from finetune.data.server import Server
    from finetune.rows import PreferenceRow, TrainingRow
    from otto.registry import Registry


def pairs(
    rows: Annotated[Path | None, typer.Option(metavar="FILE", help="Training rows: each right call against a wrong one.", show_default=False)] = None,
    ranked: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ranked answers, a tree or a message a line: best against worst.", show_default=False)
    ] = None,
    fixes: Annotated[bool, typer.Option("--fixes", help="What `otto fix` kept against what was done.")] = False,
    a_row: Annotated[int, typer.Option(min=1, max=8, help="With --rows: wrong calls for each.")] = 1,
    ask: Annotated[bool, typer.Option("--ask", help="With --rows: ask a server for the wrong calls; else rules make them.")] = False,
    model: Model = "",
    base_url: BaseUrl = "",
    api_key_env: ApiKeyEnv = "",
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    state: State = None,
    fresh: Fresh = False,
    family: Family = "mistral-instruct",
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    skills: Skills = "installed",
) -> None:
    """Make preference rows (prompt, chosen, rejected), JSON lines on the standard output.

    Wrong calls are near the right one: another skill, another argument, an invented one, a call for stray talk. Each is scored, and kept only
    where it really is wrong. With --ask a run that is broken off goes on when the same command is given again, and pays for no answer twice.
    """
    import random
    from collections import Counter
    from itertools import chain

    from finetune.data import pairs as work
    from finetune.data.display import show_left_out, show_spent
    from finetune.data.server import Server
    from finetune.skills import load_skills
    from otto.cli.output import emit, note
    from otto.errors import EXIT_DONE, EXIT_FAILED, UsageError

    if not (rows or ranked or fixes):
        raise UsageError("There is nothing to make pairs of", "give --rows FILE, --ranked FILE or --fixes")
    if ranked and (rows or fixes):
        raise UsageError("Ranked answers are messages and the other pairs are prompts", "make two files of them")
    left_out = work.LeftOut()
    rng = random.Random(seed)
    server = Server.of(model, base_url, api_key_env) if ask and rows else None
    kept = state_file(state, "pairs", rows.stem, fresh) if server and rows else None
    found: list[Iterable[PreferenceRow]] = [_ranked(ranked, left_out)] if ranked else []
    registry = load_skills(skills) if not ranked else None
    if rows and registry:
        if server and kept:
            _remember(server, kept, rows, a_row, seed)
        found.append(work.judged(_checked(rows, registry), registry, rng, left_out, a_row=a_row, server=server))
    if fixes and registry:
        found.append(work.corrected(turns(), registry, family, rng, left_out))
    counts: Counter[str] = Counter()
    try:
        for row in chain.from_iterable(found):
            emit(row.to_json())
            counts[row.why] += 1
    finally:
        if server:
            show_spent(server.spent, price_in, price_out)
    if kept:
        kept.unlink(missing_ok=True)
    reasons = ", ".join(f"{why} {number:,}" for why, number in counts.most_common())
    note(f"{sum(counts.values()):,} pairs: {reasons}" if counts else "No pairs.")
    show_left_out(left_out.items)
    raise typer.Exit(EXIT_DONE if counts else EXIT_FAILED)


def _ranked(path: Path, left_out: LeftOut) -> list[PreferenceRow]:
    from finetune.data.trees import pairs_of, read_trees

    replies, problems = read_trees(path)
    found = pairs_of(replies)
    left_out.items += [*(("cannot be read", str(problem)) for problem in problems), *found.left_out]
    return found.rows


def _checked(path: Path, registry: Registry) -> list[TrainingRow]:
    from finetune.data.pairs import check_rows
    from finetune.rows import read_training_rows

    given = read_training_rows(path)
    check_rows(given, registry)
    return given


def _remember(server: Server, path: Path, rows: Path, a_row: int, seed: int) -> None:
    from finetune.data.journal import Memory
    from otto.cli.output import note

    memory = Memory(path, {"rows": str(rows), "from": server.model, "wrong calls a row": a_row, "seed": seed})
    if memory.rows:
        note(f"Going on with {path}")
    server.remember(memory)
