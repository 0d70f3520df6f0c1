"""`otto eval compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from eval.compare import Comparison, Measure, Pair

_NAMES = {
    "exact_match": "exact call",
    "skill_accuracy": "right skill",
    "argument_f1": "argument F1",
    "valid_call_rate": "valid calls",
    "false_call_rate": "false calls (less is better)",
    "missed_call_rate": "missed calls (less is better)",
}
_STYLES = {"better": "green", "worse": "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def compare(
        a: Annotated[Path, typer.Argument(metavar="A", help="The folder of the run to compare with.")],
        b: Annotated[Path, typer.Argument(metavar="B", help="The folder of the run that is judged.")],
        fail_if_worse: Annotated[
            bool, typer.Option("--fail-if-worse", help="Exit code 1 where B is shown to be worse, or lacks cases of A.")
        ] = False,
        flips: Annotated[int, typer.Option(min=0, help="Cases that are listed at most, of those that were lost and of those gained.")] = 10,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with every flip.")] = False,
    ) -> None:
        """Compare two runs over the same cases: what differs, how sure that is, and what flipped."""
        from eval.compare import WORSE, compare
        from eval.runs import read_run
        from otto.cli.output import emit
        from otto.errors import EXIT_FAILED, OttoError

        found = compare(read_run(a), read_run(b))
        if as_json:
            emit(found.to_json())
        else:
            _show(found, flips)
        if fail_if_worse and found.paired.only_a:
            raise OttoError(f"B lacks {len(found.paired.only_a):,} cases of A, so that it may be worse in these", "run B over all of them")
        if fail_if_worse and found.verdict == WORSE:
            raise typer.Exit(EXIT_FAILED)


def _show(found: Comparison, flips: int) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    _show_runs(console, found)
    console.print(_measures(found))
    _show_skills(console, found)
    _show_flips(console, "Lost: right in A, wrong in B", "B", found.lost, flips)
    _show_flips(console, "Gained: wrong in A, right in B", "A", [(other, one) for one, other in found.gained], flips)
    _show_latency(console, found)
    _show_verdict(console, found)


def _show_runs(console: Console, found: Comparison) -> None:
    from eval.report import router_name

    for side, run in (("A", found.a), ("B", found.b)):
        console.print(_text(f"{side}  {run.folder}  ({router_name(run.summary['router'])})"))
    pairs = found.paired
    console.print(f"{len(pairs.pairs):,} cases in pairs")
    for side, ids in (("A", pairs.only_a), ("B", pairs.only_b)):
        if ids:
            console.print(_text(f"{len(ids):,} cases that only {side} has are not compared, the first: {ids[0]}"), style="yellow")
    console.print()


def _measures(found: Comparison) -> Table:
    table = _table("measure", "cases", "A", "B", "B - A (95 %)", "only A right", "only B right", "p")
    for name, measure in found.measures.items():
        table.add_row(_NAMES[name], *_cells(measure), style=_STYLES.get(measure.verdict))
    return table


def _show_skills(console: Console, found: Comparison) -> None:
    """The skills in which a case flipped, the greatest loss first."""
    flipped = {name: measure for name, measure in found.by_skill.items() if measure.only_a or measure.only_b}
    console.print()
    if not flipped:
        console.print(f"No exact call flipped in any of {len(found.by_skill)} skills.")
        return
    table = _table("skill, exact calls", "cases", "A", "B", "B - A (95 %)", "only A right", "only B right", "p (Holm)")
    for name, measure in sorted(flipped.items(), key=lambda item: (_net(item[1]), item[0])):
        table.add_row(_text(name), *_cells(measure), style=_STYLES.get(measure.verdict))
    console.print(table)
    if len(flipped) < len(found.by_skill):
        console.print(f"{len(found.by_skill) - len(flipped)} more skills without a flip.", style="dim")


def _show_flips(console: Console, title: str, wrong: str, pairs: Sequence[Pair], most: int) -> None:
    """The cases that came out differently, (right, wrong), with what the run that is wrong called."""
    console.print()
    console.print(f"[bold]{title}: {len(pairs):,}[/bold]")
    if not pairs or not most:
        return
    table = _table("case", "said", "expected", f"called by {wrong}", numbers=False)
    for right, other in pairs[:most]:
        cells = (right["id"], right["text"], " | ".join("; ".join(calls) for calls in right["gold"]), _called(other))
        table.add_row(*map(_text, cells))
    console.print(table)
    if len(pairs) > most:
        console.print(f"{len(pairs) - most:,} more: --flips {len(pairs)}", style="dim")


def _show_latency(console: Console, found: Comparison) -> None:
    parts = []
    for name in ("p50", "p95"):
        a, b = found.latency_ms["a"][name], found.latency_ms["b"][name]
        if a is not None and b is not None:
            parts.append(f"{name} {a:.1f} → {b:.1f}")
    console.print()
    console.print(f"Latency, ms: {', '.join(parts)}" if parts else "Latency was not measured.")


def _show_verdict(console: Console, found: Comparison) -> None:
    from eval.compare import UNDECIDED

    verdict = found.verdict
    sentence = "No difference is shown between B and A." if verdict == UNDECIDED else f"B is {verdict} than A."
    console.print(sentence, style=f"bold {_STYLES.get(verdict, '')}".strip())


def _cells(measure: Measure) -> list[str]:
    share: Callable[[float | None], str] = lambda value: "-" if value is None else f"{100 * value:.1f}"  # noqa: E731  used thrice below
    difference = measure.difference
    between = "" if measure.low is None or measure.high is None else f" ({100 * measure.low:+.1f} to {100 * measure.high:+.1f})"
    counts = ["" if count is None else f"{count:,}" for count in (measure.only_a, measure.only_b)]
    p = "" if measure.p is None else "<0.001" if measure.p < 0.001 else f"{measure.p:.3f}"
    return [f"{measure.n:,}", share(measure.a), share(measure.b), "-" if difference is None else f"{100 * difference:+.1f}{between}", *counts, p]


def _net(measure: Measure) -> int:
    return (measure.only_b or 0) - (measure.only_a or 0)


def _called(row: dict[str, object]) -> str:
    predicted = row["predicted"]
    return "; ".join(map(str, predicted)) if isinstance(predicted, list) and predicted else "(no valid call)"


def _table(*columns: str, numbers: bool = True) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if numbers and index else "left", overflow="fold")
    return table


def _text(text: str) -> Text:
    """Text as it is: not markup, and without what could command a terminal."""
    from rich.text import Text

    from otto.cli.output import plain

    return Text(plain(text))
