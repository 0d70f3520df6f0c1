"""A run on the terminal: the bar with the running score, and the summary as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.measure import Watcher
from otto.cli.output import add_row, new_table, note, out, show_table

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

RATES = {
    "exact_match": "exact call",
    "skill_accuracy": "right skill",
    "argument_precision": "argument precision",
    "argument_recall": "argument recall",
    "argument_f1": "argument F1",
    "valid_call_rate": "valid calls",
    "false_call_rate": "false calls",
    "missed_call_rate": "missed calls",
    "ece": "calibration error",
}


class _Bar:
    """Cases done, the time that is left, and the share of exact calls so far. Drawn on a terminal only."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._done = 0
        self._exact = 0

    def start(self, total: int, rows: Sequence[Mapping[str, Any]]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if rows:
            note(f"{len(rows):,} of {total:,} cases were run before and are not run again.")
        self._done, self._exact = len(rows), sum(row["exact"] for row in rows)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._progress.start()
        self._task = self._progress.add_task(self._score, total=total, completed=self._done)

    def row(self, row: Mapping[str, Any]) -> None:
        self._done += 1
        self._exact += row["exact"]
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, description=self._score)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def _score(self) -> str:
        return f"exact {self._exact / self._done:.1%}" if self._done else "loading"


def progress_watcher() -> Watcher:
    """A watcher that draws a bar and prints notes, both on the standard error."""
    bar = _Bar()
    return Watcher(note=note, start=bar.start, row=bar.row, end=bar.end)


def show_summary(summary: Mapping[str, Any], folder: Path) -> None:
    """Print the headline, the skills if they are few, and where the rest is."""
    if summary["n"]:
        table = new_table("", "%", "95 % interval", "cases")
        for name, words in RATES.items():
            add_row(table, words, *_cells(summary[name]))
        show_table(table)
    for level, rates in summary["by_snr"].items():
        value, interval, n = _cells(rates["exact_match"])
        out(f"exact call, {level if level == 'clean' else f'{level} dB'}: {value} ({interval}) of {n}")
    latency = summary["latency_ms"]
    parts = [f"{name} {latency[key]:.1f}" for name, key in (("p50", "p50"), ("p95", "p95"), ("cold", "cold")) if latency[key] is not None]
    if parts:
        out(f"ms a case: {', '.join(parts)}")
    if summary["errors"]:
        out(f"{summary['errors']:,} cases that the router could not answer count as wrong.", "bad")
    if summary["skipped"]:
        out("One bad row was left out." if summary["skipped"] == 1 else f"{summary['skipped']:,} bad rows were left out.", "bad")
    out(f"Results: {folder}", "dim")


def _cells(rate: Mapping[str, Any]) -> tuple[str, str, str]:
    if rate["value"] is None:
        return "-", "", f"{rate['n']:,}"
    return f"{100 * rate['value']:.1f}", f"{100 * rate['low']:.1f} to {100 * rate['high']:.1f}", f"{rate['n']:,}"
