"""A comparison as Markdown, written after each exchange, so that nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from finetune.chat.pair import Exchange, Said
from finetune.chat.screen import verdict
from otto.cli.output import plain
from otto.errors import UsageError
from otto.tomlfile import replace_file


class Record:
    """The file of a comparison."""

    def __init__(self, file: Path, title: str, about: Sequence[str]) -> None:
        """Begins the file.

        Args:
            file: a new one.
            title: one line.
            about: what is compared, one line each.

        Raises:
            UsageError: the file is there already.
            StoreError: it cannot be written.
        """
        if file.exists():
            raise UsageError(f"{file} is there already", "name another with --save FILE.md")
        self._file, self._title, self._about = file, title, about
        self._exchanges: list[Exchange] = []
        self._write()

    def add(self, exchange: Exchange) -> None:
        """Add words and their answers. Raises StoreError."""
        self._exchanges.append(exchange)
        self._write()

    def _write(self) -> None:
        replace_file(self._file, markdown(self._title, self._about, self._exchanges))


def markdown(title: str, about: Sequence[str], exchanges: Sequence[Exchange]) -> str:
    """A comparison as Markdown: whatever was said and answered stands in code, so that nothing in it is markup."""
    lines = [f"# {title}", "", *(f"- {line}" for line in about)]
    for said in zip(*(exchange.answers for exchange in exchanges), strict=True):
        valid = sum(item.calls is not None for item in said)
        lines.append(f"- {said[0].who}: valid calls in {valid} of {len(said)} answers")
    for exchange in exchanges:
        lines += ["", f"## {code(exchange.words)}", *(line for said in exchange.answers for line in _answer(said))]
    return "\n".join(lines) + "\n"


def _answer(said: Said) -> list[str]:
    stopped = "" if said.ended else ", stopped"
    text = plain(said.text.strip())
    fence = "`" * max(3, 1 + _longest_run(text))
    calls = "no valid call" if said.calls is None else code("; ".join(map(str, said.calls)))
    took = verdict(said).rpartition(" · ")[2]
    return ["", f"**{said.who}**: {calls}, {took}{stopped}", "", f"{fence}text", *text.splitlines(), fence]


def code(text: str) -> str:
    """A text on one line as a code span of CommonMark."""
    text = " ".join(plain(text).split())
    ticks = "`" * (1 + _longest_run(text))
    space = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
