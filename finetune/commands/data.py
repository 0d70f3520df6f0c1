"""`otto finetune data`: what a router learns from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from otto.cli.new import new_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from finetune.data.pairs import LeftOut
    from finetune.rows import PreferenceRow
    from otto.call import Call
    from otto.history import Entry, History

T = TypeVar("T")

data = new_app(help="Collect, make, convert and count training data.", no_args_is_help=True)

Skills = Annotated[str, typer.Option(metavar="installed|FILE.json|DIR", help="The skills.")]
TokenizerFolder = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Count tokens as the model in this folder does.", show_default=False)]
Family = Annotated[str, typer.Option("--format", metavar="FAMILY", help="The model family whose prompt is rendered.")]

Model = Annotated[str, typer.Option(metavar="NAME", help="The server's model.", show_default="openai.model of the settings")]
BaseUrl = Annotated[str, typer.Option(metavar="URL", help="An OpenAI-compatible server.", show_default="openai.base_url of the settings")]
ApiKeyEnv = Annotated[str, typer.Option(metavar="NAME", help="The environment variable with its key.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(data, name="data")


@data.callback()
def _group() -> None:
    """Collect, make, convert and count training data."""


@data.command()
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
        examples = work.with_corrections(examples, _corrections(), registry)
    collected = work.collect(examples, registry, family, counter, shots=shots, limit=limit, held_out=held_out)
    for row in collected.rows:
        emit(row.to_json())
    show_collected(collected)
    if counter.estimate:
        note(ESTIMATE)
    if report:
        replace_file(report, json.dumps(collected.report(), ensure_ascii=False, indent=2) + "\n")
    raise typer.Exit(EXIT_DONE if collected.rows else EXIT_FAILED)


@data.command()
def convert(
    file: Annotated[Path, typer.Argument(metavar="IN", help="A .csv, .tsv, .json or .jsonl file.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="Where the rows go.", show_default=False)],
    encoding: Annotated[str, typer.Option(metavar="NAME", help="Its encoding, where the guess is wrong.", show_default=False)] = "",
    straight_quotes: Annotated[bool, typer.Option("--straight-quotes", help="Write curled quotes in texts as straight ones.")] = False,
) -> None:
    """Turn chats or prompts and completions of other tools into JSON lines.

    Texts stay as they are. A cell that cannot be read is reported and kept in OUT.jsonl.rejected.jsonl; exit code 1 where there is one.
    """
    from finetune.data.convert import convert as work
    from finetune.data.convert import write
    from finetune.data.display import show_left_out
    from finetune.data.sources import open_source
    from otto.cli.output import note
    from otto.errors import EXIT_DONE, EXIT_FAILED

    source = open_source(file, encoding)
    found = work(source, straight_quotes=straight_quotes)
    side = write(found, out)
    if source.guessed:
        note(f"Read as {source.encoding}, which is a guess: where letters look wrong, name the encoding with --encoding")
    note(f"{len(found.rows):,} rows written to {out}, and read back as they were.")
    for how, number in found.mended.most_common():
        note(f"mended, {how}: {number:,}")
    show_left_out([("cannot be read", str(item)) for item in found.rejected])
    if side:
        note(f"What was left out is kept in {side}", "bad")
    raise typer.Exit(EXIT_DONE if found.rows and not side else EXIT_FAILED)


@data.command()
def tokens(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows as JSON lines.", show_default=False)],
    tokenizer: TokenizerFolder = None,
    epochs: Annotated[float, typer.Option(min=0, help="How often training reads the file.")] = 3.0,
    price: Annotated[float, typer.Option(min=0, metavar="DOLLARS", help="What a hosted service takes for a million tokens.")] = 3.0,
    parameters: Annotated[float, typer.Option(min=0, metavar="BILLIONS", help="Size of the model that is trained here.")] = 7.0,
    tflops: Annotated[float, typer.Option(min=0.001, help="What the device sustains; about 40 on a 24 GB GPU, 0.1 on a CPU.")] = 40.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count tokens: of a message, of a conversation, and the assistant's share."""
    from dataclasses import asdict

    from finetune.data.display import distribution, histogram
    from finetune.data.tokenizer import ESTIMATE, open_tokenizer
    from finetune.data.tokens import count, duration, effort
    from otto.cli.output import emit, note, out, show_table

    counter = open_tokenizer(tokenizer)
    found = count(file, counter)
    cost = effort(sum(found.conversations), epochs=epochs, price=price, parameters=parameters, tflops=tflops)
    if as_json:
        emit({**found.report(), "effort_estimate": asdict(cost)})
    else:
        messages = {f"a message, {role}": counts for role, counts in found.messages.items()}
        show_table(distribution({**messages, "a conversation": found.conversations, "of it the assistant's": found.assistant}, found.estimate))
        out(f"The assistant's share is {found.share:.1%}.\n\nTokens of a conversation", "")
        for line in histogram(found.conversations):
            out(f"  {line}")
        out(f"\nEstimates, for {epochs:g} epochs, {cost.tokens:,} tokens:")
        out(f"  hosted  {cost.dollars:,.2f} dollars, at {price:g} a million tokens")
        out(f"  local   {duration(cost.seconds)} for LoRA on {parameters:g} billion parameters, at {tflops:g} TFLOPS sustained")
    if counter.estimate:
        note(ESTIMATE)


@data.command()
def generate(
    skill: Annotated[str, typer.Option(metavar="NAME", help="The skill; `other` for stray talk.", show_default=False)],
    n: Annotated[int, typer.Option("--n", min=1, help="New examples.")] = 5,
    model: Model = "",
    base_url: BaseUrl = "",
    api_key_env: ApiKeyEnv = "",
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server: sample templates and values of the examples there are.")] = False,
    append: Annotated[bool, typer.Option("--append", help="Add to the skill's example file, asking about each.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --append: add all without asking.")] = False,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="With --append: add to this example file.", show_default=False)] = None,
    near: Annotated[float, typer.Option(min=50, max=100, help="Set aside what is as similar to a known sentence, in percent.")] = 95.0,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    price_in: Annotated[float, typer.Option(min=0, metavar="DOLLARS", help="Price of a million tokens that are read.")] = 0.0,
    price_out: Annotated[float, typer.Option(min=0, metavar="DOLLARS", help="… that are written.")] = 0.0,
    state: Annotated[Path | None, typer.Option(metavar="FILE", help="Where a run that is broken off is kept.", show_default="in the cache")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over where a run was broken off.")] = False,
    skills: Skills = "installed",
) -> None:
    """Make new examples of a skill and print them as an example file has them.

    Each is parsed and validated; duplicates, near-duplicates and what nobody said are set aside, on the standard error.
    A run that is broken off goes on when the same command is given again.
    """
    import random

    from finetune.data import generate as work
    from finetune.data.display import show_left_out, show_spent
    from finetune.data.server import Server
    from finetune.skills import load_skills
    from otto.cli.output import note, out
    from otto.errors import EXIT_DONE, EXIT_FAILED

    if append and not yes:
        _require_terminal()
    registry = load_skills(skills)
    spec = registry.get(skill)
    target = (file or work.example_file(spec)) if append else None
    server = None if offline else Server.of(model, base_url, api_key_env)
    head = {"skill": skill, "from": server.model if server else "offline", "seed": seed}
    path = state or _state_file(skill)
    if fresh:
        path.unlink(missing_ok=True)
    journal = work.Journal(path, head)
    if journal.found:
        note(f"Going on with {path}")
    checker = work.Checker(spec, registry, near)
    rng = random.Random(f"{seed} {skill} {len(journal.found)}")
    ask = work.asker(server, checker, journal, rng) if server else work.sampler(checker, rng)
    try:
        found = work.generate(n, checker, ask, journal, note)
    finally:
        if server:
            show_spent(server.spent, price_in, price_out)
    show_left_out([(item.reason, f"{item.said!r} {item.call}: {item.why}") for item in journal.found if item.why])
    for candidate in found:
        if target is None:
            out(str(candidate))
        elif candidate.said not in journal.decided:
            if yes or _accepted(str(candidate)):
                work.append(target, [candidate])
                note(f"added to {target}")
            journal.decide(candidate)
    path.unlink(missing_ok=True)
    if len(found) < n:
        note(f"Only {len(found)} of {n}: nothing new came any more. A higher --near lets more pass.", "bad")
    raise typer.Exit(EXIT_DONE if len(found) == n else EXIT_FAILED)


@data.command()
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
    family: Family = "mistral-instruct",
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    skills: Skills = "installed",
) -> None:
    """Make preference rows (prompt, chosen, rejected), JSON lines on the standard output.

    Wrong calls are near the right one: another skill, another argument, an invented one, a call for stray talk. Each is scored, and kept only
    where it really is wrong.
    """
    import random
    from collections import Counter

    from finetune.data import pairs as work
    from finetune.data.display import show_left_out, show_spent
    from finetune.data.server import Server
    from finetune.rows import read_training_rows
    from finetune.skills import load_skills
    from otto.cli.output import emit, note
    from otto.errors import EXIT_DONE, EXIT_FAILED, UsageError

    if not (rows or ranked or fixes):
        raise UsageError("There is nothing to make pairs of", "give --rows FILE, --ranked FILE or --fixes")
    if ranked and (rows or fixes):
        raise UsageError("Ranked answers are messages and the other pairs are prompts", "make two files of them")
    counts: Counter[str] = Counter()
    left_out = work.LeftOut()
    rng = random.Random(seed)
    if ranked:
        for row in _ranked(ranked, left_out):
            emit(row.to_json())
            counts["ranked answers"] += 1
    if rows or fixes:
        registry = load_skills(skills)
    if rows:
        given = read_training_rows(rows)
        work.check_rows(given, registry)
        server = Server.of(model, base_url, api_key_env) if ask else None
        try:
            for row in work.judged(given, registry, rng, left_out, a_row=a_row, server=server):
                emit(row.to_json())
                counts[row.why] += 1
        finally:
            if server:
                show_spent(server.spent, 0, 0)
    if fixes:
        for row in work.corrected(_history(), registry, family, rng, left_out):
            emit(row.to_json())
            counts["corrections"] += 1
    note(f"{sum(counts.values()):,} pairs: " + ", ".join(f"{why} {number:,}" for why, number in counts.most_common()))
    show_left_out(left_out.items)
    raise typer.Exit(EXIT_DONE if counts else EXIT_FAILED)


@data.command()
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


def _ranked(path: Path, left_out: LeftOut) -> list[PreferenceRow]:
    from finetune.data.trees import pairs_of, read_trees

    replies, problems = read_trees(path)
    found = pairs_of(replies)
    left_out.items += [*(("cannot be read", str(problem)) for problem in problems), *found.left_out]
    return found.rows


def _require_terminal() -> None:
    import sys

    from otto.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("--append asks about each example and there is no terminal", "add --yes, or leave --append out and review what is printed")


def _accepted(example: str) -> bool:
    from otto.cli.host import TerminalHost
    from otto.cli.output import note

    note(example, "")
    return TerminalHost(quiet=True).confirm("Add it?")


def _state_file(skill: str) -> Path:
    from otto.config import load_settings

    return load_settings().paths.cache / "generate" / f"{skill}.jsonl"


def _corrections() -> list[tuple[str, Call]]:
    """What `otto fix` kept, oldest first."""
    return _of_history(lambda history: history.corrections())


def _history() -> list[Entry]:
    """All turns, oldest first."""
    return _of_history(lambda history: history.recent(2**31)[::-1])


def _of_history(read: Callable[[History], list[T]]) -> list[T]:
    from otto.cli.output import note
    from otto.config import load_settings
    from otto.history import History
    from otto.store import DATABASE_NAME, Database

    database = Database(load_settings().paths.data / DATABASE_NAME, note)
    try:
        return read(History(database))
    finally:
        database.close()
