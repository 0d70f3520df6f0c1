"""What the commands print: words for people, one JSON object a line for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from otto.call import Call
from otto.errors import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from otto.messages import NotRecognized, Result, Route, Turn

if TYPE_CHECKING:
    from rich.table import Table

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_STYLES = {"dim": "2", "bold": "1", "good": "32", "bad": "31"}
LABEL_WIDTH = 8


def plain(text: str) -> str:
    """The text without what could command a terminal: an answer from the network, or a note, must not move the cursor."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode("utf-8")


def out(text: str, style: str = "") -> None:
    """Print to the standard output."""
    print(_styled(text, style, sys.stdout), flush=True)


def note(text: str, style: str = "dim") -> None:
    """Print what is beside the command's own answer, to the standard error."""
    sys.stdout.flush()
    print(_styled(text, style, sys.stderr), file=sys.stderr, flush=True)


def emit(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace").decode("utf-8"), flush=True)


def new_table(*columns: str) -> Table:
    """A table without lines, whose last column takes the room that is left."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=index == 0, ratio=None)
    return table


def add_row(table: Table, *cells: str, style: str = "") -> None:
    from rich.text import Text

    table.add_row(*(Text(plain(cell), style=style if index == 0 else "") for index, cell in enumerate(cells)))


def show_table(table: Table) -> None:
    from rich.console import Console

    Console(highlight=False).print(table)


def call_json(call: Call) -> dict[str, Any]:
    return {"name": call.name, "arguments": dict(call.arguments)}


def route_json(route: Route) -> dict[str, Any]:
    """What `otto route --json` prints."""
    return {
        "text": route.text,
        "calls": [call_json(call) for call in route.calls],
        "confidence": round(route.confidence, 4),
        "engine": route.engine,
        "ms": round(route.ms, 3),
    }


def turn_json(turn: Turn) -> dict[str, Any]:
    """What `otto say --json` prints: the route, and what became of it. Nothing recognised is `other()`."""
    if turn.route is None:
        text = turn.heard.heard if isinstance(turn.heard, NotRecognized) else turn.heard.text
        route = {
            "text": text,
            "calls": [call_json(Call("other"))],
            "confidence": 1.0,
            "engine": turn.heard.engine,
            "ms": 0.0,
        }
    else:
        route = route_json(turn.route)
    return {**route, "results": [_result_json(result) for result in turn.results], "id": turn.id}


def heard_json(turn: Turn) -> dict[str, Any]:
    """What `otto hear --json` prints: also what was heard, and the time of each stage."""
    heard = turn.heard
    missed = isinstance(heard, NotRecognized)
    return {
        **turn_json(turn),
        "heard": None if isinstance(heard, NotRecognized) else heard.text,
        "stt": heard.engine,
        "not_recognized": heard.reason if isinstance(heard, NotRecognized) else None,
        "stt_confidence": None if missed else round(heard.confidence, 4),  # type: ignore[union-attr]
        "timings": {stage: round(ms, 3) for stage, ms in turn.timings.items()},
    }


def _result_json(result: Result) -> dict[str, Any]:
    return {"call": call_json(result.call), "speech": result.speech, "ok": result.ok, "ms": round(result.ms, 3)}


def show_said(turn: Turn, dry_run: bool = False) -> None:
    """A typed command's outcome: the call, then the answer."""
    out(calls_text(turn), "" if dry_run else "dim")
    for result in turn.results:
        if result.speech and not result.said:
            out(result.speech, "" if result.ok else "bad")


def show_heard(turn: Turn, indent: int = 2) -> None:
    """A spoken command's outcome, one labelled line each."""
    for label, text, style in heard_lines(turn):
        labelled(f"{'':{indent}}{label:<{LABEL_WIDTH}}", text, style)


def labelled(label: str, text: str, style: str = "") -> None:
    """Print a text behind its label; where it is longer than a line, the rest stands below its beginning."""
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    for line in textwrap.wrap(plain(text), width, initial_indent=label, subsequent_indent=" " * len(label)) or [label]:
        out(line, style)


def heard_lines(turn: Turn) -> Iterable[tuple[str, str, str]]:
    """(label, text, style) of what was heard, the call, each answer and the time of each stage."""
    heard = turn.heard
    if isinstance(heard, NotRecognized):
        nearest = f'; nearest: "{heard.heard}"' if heard.heard else ""
        yield "heard", f"nothing for Otto ({heard.reason}{nearest})", "dim"
    else:
        yield "heard", f'"{heard.text}"', "bold"
    yield "call", calls_text(turn), ""
    for result in turn.results:
        if result.speech and not result.said:
            yield "answer", result.speech, "good" if result.ok else "bad"
    yield (
        "ms",
        " · ".join(f"{stage} {ms:.0f}" if ms >= 10 else f"{stage} {ms:.1f}" for stage, ms in turn.timings.items()),
        "dim",
    )


def calls_text(turn: Turn) -> str:
    """The calls as they are written; what was not recognised is `other()`."""
    return "; ".join(map(str, turn.route.calls)) if turn.route else "other()"


def exit_code(turns: Sequence[Turn], dry_run: bool = False) -> int:
    """Failed where a skill failed, done where one did its work, else nothing to do."""
    if dry_run:
        return EXIT_DONE if any(turn.route and turn.route.acts for turn in turns) else EXIT_NOTHING
    results = [result for turn in turns for result in turn.results if result.call.name != "other"]
    if not results:
        return EXIT_NOTHING
    return EXIT_DONE if all(result.ok for result in results) else EXIT_FAILED


def _styled(text: str, style: str, stream: IO[str]) -> str:
    text = plain(text)
    if not style or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
