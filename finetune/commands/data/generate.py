"""`otto finetune data generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finetune.commands.data.options import ApiKeyEnv, BaseUrl, Fresh, Model, PriceIn, PriceOut, Skills, State, state_file


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
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    state: State = None,
    fresh: Fresh = False,
    skills: Skills = "installed",
) -> None:
    """Make new examples of a skill and print them as an example file has them.

    Each is parsed and validated; duplicates, near-duplicates and what nobody said are set aside, on the standard error.
    A run that is broken off goes on when the same command is given again.
    """
    import random

    from finetune.data import generate as work
    from finetune.data.candidates import Checker
    from finetune.data.display import show_left_out, show_spent
    from finetune.data.journal import Journal
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
    path = state_file(state, "generate", skill, fresh)
    journal = Journal(path, head)
    if journal.found:
        note(f"Going on with {path}")
    checker = Checker(spec, registry, near)
    if target:
        checker.accept(work.open_examples(target).all)
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
        mend = "a server knows more: --model NAME" if offline else "a higher --near lets more pass, the reasons are above"
        note(f"Only {len(found)} of {n}: nothing new came any more; {mend}.", "bad")
    raise typer.Exit(EXIT_DONE if len(found) == n else EXIT_FAILED)


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
