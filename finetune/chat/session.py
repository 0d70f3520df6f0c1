"""Words in, typed or from a pipe; answers out, shown and kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from finetune.chat.pair import Pair
from finetune.chat.record import Record
from finetune.chat.screen import Screen
from otto.cli.output import note, out
from otto.errors import ModelError

ASK = "> "


def converse(pair: Pair, screen: Screen, record: Record | None) -> None:
    """Answer line after line until the input ends.

    At a terminal, Ctrl-C stops an answer, and at the prompt it ends the conversation; with a pipe it ends everything.
    A line that is too long is said to be, and the next one is asked for.

    Raises:
        KeyboardInterrupt: stopped while lines came from a pipe; what was answered is kept.
    """
    typed = sys.stdin.isatty()
    for words in _typed() if typed else _piped():
        try:
            exchange = screen.show(pair.answer(words))
        except ModelError as error:
            if not typed:
                raise
            note(str(error), "bad")
            continue
        except KeyboardInterrupt:
            if not typed:
                raise
            continue
        if record:
            record.add(exchange)
        if not exchange.ended and not typed:
            raise KeyboardInterrupt


def _typed() -> Iterator[str]:
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  importing it gives input() its editing keys and a history
    while True:
        try:
            words = input(ASK).strip()
        except (EOFError, KeyboardInterrupt):
            out("")
            return
        if words:
            yield words


def _piped() -> Iterator[str]:
    return (line.strip() for line in sys.stdin if line.strip())
