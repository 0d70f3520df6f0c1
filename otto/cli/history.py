"""`otto history`, `otto undo` and `otto fix`: what was done, taken back, or should have been."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from otto.dispatch import Dispatcher
    from otto.history import Entry, History

LABEL = 7


def history(
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many commands.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a command.")] = False,
) -> None:
    """Show the last commands, the newest at the end."""
    from otto.cli.output import emit, note

    with _opened() as (entries, _):
        found = entries.recent(count)
    if not found and not json:
        note("There are no commands yet; say one: otto say TEXT")
    for entry in reversed(found):
        emit(_entry_json(entry)) if json else _show(entry)


def undo() -> None:
    """Take back the last command that can be taken back."""
    from otto.assistant import undo_last
    from otto.cli.output import out
    from otto.errors import EXIT_DONE, EXIT_FAILED

    with _opened() as (entries, dispatcher):
        entry, results = undo_last(entries, dispatcher)
    out(f"undo {entry.call}", "dim")
    for result in results:
        out(result.speech, "" if result.ok else "bad")
    raise typer.Exit(EXIT_DONE if all(result.ok for result in results) else EXIT_FAILED)


def fix(
    call: Annotated[
        str, typer.Argument(help="What it should have been: 'timer(duration=\"5 minutes\")'", show_default=False)
    ],
) -> None:
    """Keep, for training, which call the last command should have been. Nothing is run."""
    from otto.assistant import fix_last
    from otto.call import Call
    from otto.cli.output import out

    wanted = Call.parse(call)
    with _opened() as (entries, dispatcher):
        entry, right = fix_last(entries, dispatcher.registry, wanted)
    out(f'Kept for training: "{entry.heard}" should have been {right}.')


@contextmanager
def _opened() -> Iterator[tuple[History, Dispatcher]]:
    from otto.cli.host import TerminalHost, Warnings
    from otto.config import load_settings
    from otto.dispatch import Dispatcher
    from otto.history import History
    from otto.registry import Registry
    from otto.store import DATABASE_NAME, Database

    settings = load_settings()
    registry = Registry.load(settings.paths.skills)
    registry.install()
    database = Database(settings.paths.data / DATABASE_NAME, Warnings())
    dispatcher = Dispatcher(registry, TerminalHost(), database, settings)
    try:
        yield History(database), dispatcher
    finally:
        dispatcher.close()


def _show(entry: Entry) -> None:
    from otto.cli.output import out

    out(f"#{entry.id}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.stt_engine}{'  undone' if entry.undone else ''}", "dim")
    rows = [
        ("heard", f'"{entry.heard}"' if entry.reason is None else f"nothing for Otto ({entry.reason})"),
        ("call", entry.call or "other()"),
        ("answer", entry.result or ""),
        ("meant", str(entry.correction) if entry.correction else ""),
    ]
    for label, text in rows:
        if text:
            out(f"  {label:<{LABEL}} {text}", "bad" if label == "answer" and entry.ok is False else "")


def _entry_json(entry: Entry) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(entry),
        "at": entry.at.isoformat(),
        "correction": str(entry.correction) if entry.correction else None,
    }
