"""A run as it lies on the disk: the rows of results.jsonl, and its summary.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otto.errors import Problem, Problems, StoreError

RESULTS, SUMMARY = "results.jsonl", "summary.json"
MAX_PROBLEMS = 20  # of a damaged file that are printed

Row = dict[str, Any]  # schemas/result.json

_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "text": str,
    "group": str,
    "gold": list,
    "predicted": list,
    "valid": bool,
    "exact": bool,
    "skill": bool,
    "arguments": dict,
    "stray": bool,
    "false_call": bool,
    "missed_call": bool,
    "confidence": (int, float),
    "ms": dict,
    "cold": bool,
    "error": (str, type(None)),
}


@dataclass(frozen=True)
class Run:
    """What one `otto eval run` left behind."""

    folder: Path
    rows: tuple[Row, ...]
    summary: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name or str(self.folder)


def read_run(path: Path) -> Run:
    """Read a run's folder, or the results.jsonl in it.

    Raises:
        StoreError: it is no run, or the run did not come to its summary.
        Problems: results.jsonl is damaged; each bad line is named.
    """
    folder = path.parent if path.name == RESULTS else path
    rows = read_rows(folder / RESULTS)
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{folder} has no {SUMMARY}: its run did not end", f"finish it with: otto eval run --out {folder}") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder / SUMMARY} cannot be read ({_reason(error)})", f"make it anew with: otto eval run --out {folder}") from None
    if not isinstance(summary, dict) or "exact_match" not in summary:
        raise StoreError(f"{folder / SUMMARY} is not a summary of otto eval run", "give the folder that a run wrote")
    return Run(folder, rows, summary)


def read_rows(file: Path) -> tuple[Row, ...]:
    """The rows of a results.jsonl. A last line that a kill cut short is not there yet.

    Raises:
        StoreError: the file cannot be read.
        Problems: lines of it are damaged, or an id stands twice.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StoreError(f"{file.parent} holds no {RESULTS}", "give the folder that otto eval run wrote (its --out)") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} cannot be read ({_reason(error)})", "give the folder that otto eval run wrote (its --out)") from None
    rows, problems = [], []
    lines: dict[str, int] = {}
    for number, line in _whole_lines(text):
        row = _read_row(line)
        if isinstance(row, str):
            problems.append(Problem(f"{file}:{number}", row))
        elif row["id"] in lines:
            problems.append(Problem(f"{file}:{number}", f"the case {row['id']} is also on line {lines[row['id']]}"))
        else:
            lines[row["id"]] = number
            rows.append(row)
    if problems:
        more = f" (the first {MAX_PROBLEMS} of {len(problems)})" if len(problems) > MAX_PROBLEMS else ""
        raise Problems(f"The results are damaged{more}", problems[:MAX_PROBLEMS])
    return tuple(rows)


def _whole_lines(text: str) -> Iterator[tuple[int, str]]:
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline is cut short, or nothing
        if line.strip():
            yield number, line


def _read_row(line: str) -> Row | str:
    """The row, or what is wrong with it."""
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"this is not JSON ({_reason(error)})"
    if not isinstance(row, dict):
        return "a row is a JSON object"
    missing = [name for name in _FIELDS if name not in row]
    if missing:
        return f"{', '.join(missing)} is missing"
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(row[name], kind)]
    return f"{', '.join(wrong)} has a value of the wrong type" if wrong else row


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
