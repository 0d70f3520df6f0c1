"""`otto doctor`: what works here, and what mends the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from otto.doctor import Check

STYLES = {"ok": "green", "off": "yellow", "fault": "bold red"}


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a check.")] = False) -> None:
    """Examine packages, folders, devices, models and keys.

    Exit code 1 where something is at fault; what is merely not there is off, and no fault.
    """
    from otto.cli.output import emit, new_table, out, show_table
    from otto.config import load_settings
    from otto.doctor import as_json, examine
    from otto.errors import EXIT_DONE, EXIT_FAILED

    checks = []
    for check in examine(load_settings()):
        checks.append(check)
        if json:
            emit(as_json(check))
    faults = [check for check in checks if check.state == "fault"]
    if not json:
        table = new_table("state", "what", "found, and the mend")
        for check in _shown(checks):
            _add(table, check)
        show_table(table)
        out(
            f"\n{len(faults)} fault{'s' * (len(faults) != 1)}." if faults else "\nNo fault.",
            "bad" if faults else "good",
        )
    raise typer.Exit(EXIT_FAILED if faults else EXIT_DONE)


def _shown(checks: list[Check]) -> list[Check]:
    """The checks, with all packages that are there as one."""
    from otto.doctor import Check

    here = [check for check in checks if check.area == "packages" and check.state == "ok"]
    rest = [check for check in checks if check not in here]
    if not here:
        return rest
    place = next((index for index, check in enumerate(rest) if check.area != "python"), len(rest))
    return [
        *rest[:place],
        Check("packages", "packages", "ok", f"{len(here)} that are needed are installed"),
        *rest[place:],
    ]


def _add(table: Table, check: Check) -> None:
    from rich.text import Text

    from otto.cli.output import plain

    found = Text(plain(check.detail))
    if check.mend:
        found.append(f"\n→ {plain(check.mend)}", style="dim")
    name = check.name if check.area in (check.name, "settings", "packages", "keys") else f"{check.area} {check.name}"
    table.add_row(Text(check.state, style=STYLES[check.state]), Text(plain(name)), found)
