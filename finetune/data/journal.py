"""Side files of runs that ask a server: what came is kept as it comes, and the same command goes on from it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from finetune.data.candidates import Candidate
from otto.errors import StoreError, UsageError


class SideFile:
    """JSON lines, each written at once. The first says whose they are; `rows` are the others that an earlier run left."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """Raises UsageError where the file is another run's, StoreError where it cannot be read or written."""
        self.path = path
        self.rows = list(self._read())
        if not self.rows:
            self.write(head)
        elif self.rows.pop(0) != head:
            raise UsageError(f"{path} is of another run", "name another file with --state, or start over with --fresh")

    def write(self, row: dict[str, Any]) -> None:
        """Add a row. Raises StoreError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" * self._is_cut() + json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror})", "make room, or name another file with --state") from None

    def _read(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n") if self.path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.path} cannot be read ({error})", "start over with --fresh") from None
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # the last one, cut short by a kill
                continue
            if isinstance(row, dict):
                yield row

    def _is_cut(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0 and not self.path.read_bytes().endswith(b"\n")


class Journal(SideFile):
    """Of `generate`: the examples that were found and set aside, what the user decided, and what all runs have spent."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """Raises as SideFile."""
        super().__init__(path, head)
        self.found = [Candidate(row["said"], row["call"], row["why"]) for row in self.rows if "said" in row]
        self.decided = {row["decided"] for row in self.rows if "decided" in row}  # sentences that the user has taken or left
        self.spent: dict[str, int] = next((row["spent"] for row in reversed(self.rows) if "spent" in row), {})

    def add(self, candidate: Candidate) -> None:
        """Keep what was found or set aside."""
        self.write({"said": candidate.said, "call": candidate.call, "why": candidate.why})

    def decide(self, candidate: Candidate) -> None:
        """Keep that the user has taken or left it: it is not asked about again."""
        self.write({"decided": candidate.said})

    def spend(self, spent: dict[str, int]) -> None:
        """Keep what all runs have spent so far."""
        self.write({"spent": spent})


class BrokenAnswer(Exception):
    """A server answered, and not with what was asked for."""


class Memory(SideFile):
    """Of `pairs --ask`: the answers of a server, so that a second start pays for none of them again."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """Raises as SideFile."""
        super().__init__(path, head)
        self._kept: dict[str, dict[str, Any] | None] = {row["asked"]: row["answer"] for row in self.rows if "asked" in row}
        self._times: Counter[tuple[str, ...]] = Counter()
        self.spent: dict[str, int] = self.rows[-1]["spent"] if self.rows else {}

    def recall(self, request: tuple[str, ...], ask: Callable[[], dict[str, Any]], spent: Callable[[], dict[str, int]]) -> dict[str, Any]:
        """The answer to a request, which is asked where it was not answered before. The same request once more is another one.

        Raises:
            BrokenAnswer: the answer cannot be used; that is kept too.
        """
        self._times[request] += 1
        key = hashlib.sha256("\0".join((*request, str(self._times[request]))).encode()).hexdigest()
        if key not in self._kept:
            try:
                self._kept[key] = ask()
            except BrokenAnswer:
                self._kept[key] = None
            self.write({"asked": key, "answer": self._kept[key], "spent": spent()})
        answer = self._kept[key]
        if answer is None:
            raise BrokenAnswer("it could not be used")
        return answer
