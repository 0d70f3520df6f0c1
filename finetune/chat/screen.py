"""Shows two answers as they grow: in two columns, one below the other where the terminal is narrow, as plain lines where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from finetune.chat.pair import Exchange, Said
from otto.cli.output import out, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

NARROW = 60  # columns of a terminal below which two do not stand beside each other
FRAMES_A_SECOND = 12


class Screen:
    """The terminal, or what stands in for it."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @property
    def live(self) -> bool:
        """Whether answers can be shown as they grow."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def show(self, growing: Iterator[Exchange]) -> Exchange:
        """Show answers to their end; Ctrl-C stops them, and what there is of them stays.

        Raises:
            KeyboardInterrupt: it came before anything was said.
        """
        shown: Exchange | None = None
        with self._frames(lambda: self.drawn(shown)):
            try:
                while (grown := next(growing, None)) is not None:
                    shown = grown
            except KeyboardInterrupt:
                if shown is None:
                    raise
        assert shown is not None
        if not self.live:
            _print_lines(shown)
        out("")
        return shown

    def _frames(self, drawn: Callable[[], RenderableType]) -> AbstractContextManager[Any]:
        from rich.live import Live

        return Live(console=self.console, refresh_per_second=FRAMES_A_SECOND, get_renderable=drawn) if self.live else nullcontext()

    def drawn(self, exchange: Exchange | None) -> RenderableType:
        """The answers as they stand."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        if exchange is None:
            return Text("…", style="dim")
        parts = [_part(said) for said in exchange.answers]
        if self.console.width < NARROW:
            return Group(*parts)
        table = Table.grid(expand=True, padding=(0, 2, 0, 0))
        for _ in parts:
            table.add_column(ratio=1, overflow="fold")
        table.add_row(*parts)
        return table


def _print_lines(exchange: Exchange) -> None:
    out(f"> {exchange.words}")
    for said in exchange.answers:
        first, *more = plain(said.text.strip()).splitlines() or ["(nothing)"]
        for label, line in zip((said.who, *[""] * len(more), ""), (first, *more, verdict(said)), strict=True):
            out(f"{label:<7}{line}")


def _part(said: Said) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    style = "dim" if not said.ended else "green" if said.calls else "red"
    return Group(Text(said.who, style="bold"), Text(plain(said.text.strip())), Text(plain(verdict(said)), style=style))


def verdict(said: Said) -> str:
    """What the router would make of an answer, and what it took."""
    took = f"{said.tokens} token{'s'[: said.tokens != 1]}, {said.seconds:.2f} s"
    if not said.ended:
        return took
    if said.calls is None:
        return f"no valid call · {took}"
    calls = "; ".join(map(str, said.calls))
    return f"{'valid' if calls == said.text.strip() else calls} · {took}"
