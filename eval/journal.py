"""results.jsonl: a row is on the disk before the next case counts as begun, so that a kill at any moment loses nothing that was answered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.runs import RESULTS, read_rows
from otto.errors import StoreError


class Journal:
    """The rows of a run, appended one at a time. A line that a kill cut short is taken off when it is opened again."""

    def __init__(self, folder: Path) -> None:
        """Make or open the journal of a folder, which no other run may be writing.

        Raises:
            StoreError: it cannot be written, or another process is writing it.
            Problems: a row in the middle is damaged.
        """
        self.path = folder / RESULTS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115  closed by close()
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror})", "choose another folder with --out") from None
        try:
            _lock(self._file.fileno())
        except OSError:
            self._file.close()
            raise StoreError(f"Another run is writing {folder}", "wait for it, or choose another folder with --out") from None
        _cut_partial_line(self.path)
        self.rows: list[dict[str, Any]] = list(read_rows(self.path))

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row, whole and to the disk. Raises StoreError."""
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(0, "the disk is full")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror})", "make room on the disk, and give the same command again") from None
        self.rows.append(json.loads(line))

    def close(self) -> None:
        self._file.close()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file by another at once: nobody ever reads half of it. Raises StoreError."""
    from otto.tomlfile import replace_file

    try:
        replace_file(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    except StoreError as error:
        raise StoreError(error.what, "make room on the disk, or choose another folder with --out") from None


def _cut_partial_line(path: Path) -> None:
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        file.truncate(end)


def _lock(descriptor: int) -> None:
    """Hold the file; the system lets go of it when the process dies. Raises OSError where another process holds it."""
    if os.name == "nt":
        return  # a lock there would keep a report from reading the file
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
