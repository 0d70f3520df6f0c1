"""`otto route`: only the call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from otto.messages import Route
    from otto.router.base import Router

STDIN = Path("-")


def route(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="What was said.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="LINES.txt", help="Route each line of a file (- is the standard input).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
    router: Annotated[str | None, typer.Option(metavar="NAME", help="Another router than the settings name.")] = None,
    skills: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Use the signatures in this file, not the installed skills."),
    ] = None,
) -> None:
    """Print the call that a text becomes, and run nothing.

    Exit code 3 says that no skill fits: other(). With --file it is 0 whatever the calls are.
    """
    from otto.cli.output import emit, out, route_json
    from otto.config import load_settings
    from otto.errors import EXIT_DONE, EXIT_NOTHING, UsageError
    from otto.registry import Registry
    from otto.router import open_router

    if bool(words) == bool(file):
        raise UsageError(
            "`otto route` takes a text or a file of lines", "write: otto route TEXT, or: otto route --file LINES.txt"
        )
    settings = load_settings()
    registry = Registry.from_json(skills) if skills else Registry.load(settings.paths.skills)
    registry.install()
    lines = _lines(file) if file else iter([" ".join(words or ())])
    engine = open_router(router or settings.router.engine, registry, settings)
    acts = False
    for text in lines:
        found = _route(engine, text)
        acts |= found.acts
        if json:
            emit(route_json(found))
        else:
            out("; ".join(map(str, found.calls)))
    raise typer.Exit(EXIT_DONE if file or acts else EXIT_NOTHING)


def _route(router: Router, text: str) -> Route:
    """What is empty, or too long to be a command, is no command."""
    from otto.assistant import MAX_TEXT
    from otto.call import Call
    from otto.messages import Route

    text = text.encode("utf-8", "replace").decode("utf-8").strip()
    if not text or len(text) > MAX_TEXT:
        return Route(text, (Call("other"),), 1.0, router.name, 0.0)
    return router.route(text)


def _lines(file: Path) -> Iterator[str]:
    from otto.errors import StoreError

    try:
        with sys.stdin if file == STDIN else open(file, encoding="utf-8-sig") as source:
            for line in source:
                yield line.rstrip("\n")
    except UnicodeDecodeError:
        raise StoreError(f"{file} is not text in UTF-8", "save it as UTF-8, one command a line") from None
    except OSError as error:
        raise StoreError(
            f"{file} cannot be read ({error.strerror})", "give a text file with one command a line"
        ) from None
