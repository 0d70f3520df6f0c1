"""`otto skills`: what Otto can do, and how to teach it more."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otto.cli.new import new_app

if TYPE_CHECKING:
    from otto.registry import Registry
    from otto.skill import SkillSpec

app = new_app(help="List, show, write and check skills.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a skill.")]
SHOWN_EXAMPLES = 5


@app.command("list")
def list_(json: Json = False) -> None:
    """List the installed skills."""
    from otto.cli.output import add_row, emit, new_table, note, show_table

    registry = _installed()
    if json:
        for spec in registry:
            emit(_skill_json(spec))
    else:
        table = new_table("skill", "what it does")
        for spec in registry:
            add_row(table, spec.name, spec.description)
        show_table(table)
    for problem in registry.problems:
        note(f"A skill was left out: {problem}", "bad")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A skill's name.", show_default=False)], json: Json = False) -> None:
    """Show one skill: its parameters, what to say, and what it may do."""
    from otto.cli.output import emit, out

    spec = _get(_installed(), name)
    if json:
        emit(_skill_json(spec))
        return
    out(spec.signature, "bold")
    out(f"  {spec.description}")
    for parameter in spec.parameters:
        out(f"  {parameter.name}: {parameter.description or parameter.described}")
    for example in spec.examples[:SHOWN_EXAMPLES]:
        out(f'  "{example.text}"  {example.call}', "dim")
    if len(spec.examples) > SHOWN_EXAMPLES:
        out(f"  … {len(spec.examples):,} examples in all", "dim")
    for line in (
        _risk_line(spec),
        f"undo: {'yes' if spec.undo else 'no'}",
        f"asks first: {spec.confirm or 'no'}",
        f"file: {spec.file}",
    ):
        out(f"  {line}", "dim")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The skill's name: letters, digits and underscores.", show_default=False)],
    dir: Annotated[
        Path | None,
        typer.Option("--dir", metavar="FOLDER", help="Another folder than that of your skills.", show_default=False),
    ] = None,
) -> None:
    """Write a skill, its examples and its test, to change as you like."""
    from otto.cli.output import note, out
    from otto.config import load_settings
    from otto.scaffold import write_skill

    own = load_settings().paths.skills
    folder = dir or own
    files = write_skill(name, folder, _installed())
    for file in files:
        out(str(file))
    note(
        f'Try it:   otto say "long {name.replace("_", " ")} please"'
        if folder == own
        else f"To use it, put it into {own}"
    )
    note(f"Check it: otto skills check {files[0]}")
    note(f"Test it:  pytest {files[2]}")


@app.command()
def check(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A skill's file, a folder of them, or a JSON file; else all that are installed.", show_default=False
        ),
    ] = None,
) -> None:
    """Report every problem of skills, with file, line and mend. Exit code 1 where there is one."""
    from otto.check import check_skills
    from otto.cli.output import note, out
    from otto.config import load_settings
    from otto.errors import EXIT_FAILED

    names, problems = check_skills(path, load_settings().paths.skills)
    for problem in problems:
        out(str(problem), "bad")
    count = f"{len(names)} skill{'s' * (len(names) != 1)}"
    if problems:
        note(f"{len(problems)} problem{'s' * (len(problems) != 1)}; {count} can be used.")
        raise typer.Exit(EXIT_FAILED)
    out(f"{count}, no problem: {', '.join(names)}", "good")


def _installed() -> Registry:
    from otto.config import load_settings
    from otto.registry import Registry

    return Registry.load(load_settings().paths.skills)


def _get(registry: Registry, name: str) -> SkillSpec:
    from difflib import get_close_matches

    from otto.errors import UnknownSkill

    close = get_close_matches(name, registry.specs, n=1)
    if name not in registry.specs and close:
        raise UnknownSkill(f"There is no skill {name}", f"did you mean {close[0]}?")
    return registry.get(name)


def _risk_line(spec: SkillSpec) -> str:
    words = [word.replace("_", " ") for word, is_so in asdict(spec.risk).items() if is_so]
    return f"risk: {', '.join(words) or 'changes something of yours'}"


def _skill_json(spec: SkillSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "signature": spec.signature,
        "parameters": [
            {"name": item.name, "required": item.required, **item.json_schema()} for item in spec.parameters
        ],
        "risk": asdict(spec.risk),
        "undo": bool(spec.undo),
        "confirm": spec.confirm,
        "deadline": spec.deadline,
        "examples": len(spec.examples),
        "file": str(spec.file) if spec.file else None,
    }
