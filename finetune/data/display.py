"""What the data commands show, all of it on the standard error: the standard output is the data's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from otto.cli.output import add_row, new_table, note

if TYPE_CHECKING:
    from rich.table import Table

    from finetune.data.collect import Collected
    from finetune.data.server import Spent

LISTED = 10  # dropped rows of one reason that are shown; the file of --report has all
BAR = 40  # characters
BINS = 12
WIDEST = 1000  # characters of a table


def show(table: Table, stderr: bool = True) -> None:
    """Print a table whole: where the window is too narrow, its lines are broken, and no figure loses a digit."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(stderr=stderr, highlight=False)
    whole = console.options.update(max_width=WIDEST)
    width = Measurement.get(console, whole, table).maximum
    console.width = max(width, console.width)
    console.print(table)


def show_collected(collected: Collected) -> None:
    """The report of `collect`."""
    report = collected.report()
    table = new_table("skill", "train", "validation", "test", "rows")
    for name, counts in report["skills"].items():
        add_row(table, name, *(f"{counts.get(part, 0):,}" for part in ("train", "validation", "test")), f"{sum(counts.values()):,}")
    splits = report["splits"]
    add_row(table, "all", *(f"{splits.get(part, 0):,}" for part in ("train", "validation", "test")), f"{report['rows']:,}", style="bold")
    show(table)
    note(f"{report['examples']:,} examples became {report['rows']:,} rows; {len(collected.dropped):,} were left out.")
    show_left_out([(item.why, f"{item.where}: {item.said!r} {item.call} {item.more}".rstrip()) for item in collected.dropped])
    show_distribution({"a row": collected.lengths}, collected.estimate)
    if collected.too_long:
        note(f"{len(collected.too_long):,} rows are longer than the model's {collected.limit:,} tokens, and training would cut them:", "bad")
        show_list([f"{row.source}: {row.utterance!r}" for row in collected.too_long])
    else:
        note(f"None is longer than the {collected.limit:,} tokens that the model reads: nothing would be cut.")


def show_left_out(items: Iterable[tuple[str, str]]) -> None:
    """What was left out, by its reason."""
    by_reason: dict[str, list[str]] = {}
    for reason, text in items:
        by_reason.setdefault(reason, []).append(text)
    for reason, texts in by_reason.items():
        note(f"left out, {reason}: {len(texts):,}")
        show_list(texts)


def show_list(texts: Sequence[str]) -> None:
    """The first of them, and how many more there are."""
    for text in texts[:LISTED]:
        note(f"  {text}")
    if len(texts) > LISTED:
        note(f"  … and {len(texts) - LISTED:,} more")


def show_distribution(counts: Mapping[str, Sequence[int]], estimate: bool) -> None:
    """Print the table to the standard error."""
    show(distribution(counts, estimate))


def distribution(counts: Mapping[str, Sequence[int]], estimate: bool) -> Table:
    """Tokens of each kind of thing."""
    from finetune.data.tokenizer import summary

    table = new_table("tokens (estimate)" if estimate else "tokens", "n", "min", "p5", "median", "mean", "p95", "max", "sum")
    for name, values in counts.items():
        found = summary(values)
        if found:
            shown = (f"{found[key]:,.1f}".removesuffix(".0") for key in ("min", "p5", "median", "mean", "p95", "max", "sum"))
            add_row(table, name, f"{len(values):,}", *shown)
    return table


def histogram(values: Sequence[int], bins: int = BINS, width: int = BAR) -> list[str]:
    """A line a range of values: the range, a bar, how many."""
    if not values:
        return []
    low, high = min(values), max(values)
    step = max(1, -(-(high - low + 1) // bins))
    counts = [0] * (-(-(high - low + 1) // step))
    for value in values:
        counts[(value - low) // step] += 1
    labels = [f"{low + step * i:,}" if step == 1 else f"{low + step * i:,}–{low + step * (i + 1) - 1:,}" for i in range(len(counts))]
    wide = max(map(len, labels))
    most = max(counts)
    bars = ["█" * max(round(width * count / most), bool(count)) for count in counts]
    return [f"{label:>{wide}} {bar:<{width}} {count:,}" for label, bar, count in zip(labels, bars, counts, strict=True)]


def show_spent(spent: Spent, price_in: float, price_out: float) -> None:
    """What was asked of a server; its cost where prices are known."""
    cost = f", {spent.dollars(price_in, price_out):.4f} dollars" if price_in or price_out else ""
    broken = f"; {spent.broken:,} answers could not be used" if spent.broken else ""
    more = f"; of {spent.uncounted:,} answers the server did not say their tokens, so it is more" if spent.uncounted else ""
    note(f"{spent.requests:,} requests, {spent.prompt_tokens:,} tokens read and {spent.completion_tokens:,} written{cost}{broken}{more}")
