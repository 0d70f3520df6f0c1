"""Opens the files of other tools: whatever their encoding, CSV, JSON or JSON lines → records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.data.cells import AS_IT_IS, CellError, read_cell
from otto.errors import MissingExtra, StoreError, UsageError

KINDS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
_BOMS = (("utf-8-sig", b"\xef\xbb\xbf"), ("utf-32", b"\xff\xfe\0\0"), ("utf-32", b"\0\0\xfe\xff"), ("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff"))
_LIKELY = [  # encodings that a guess may name; of all that exist, far-fetched ones win on short texts
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "mac_roman", "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp874", "cp1255", "cp1256",
]  # fmt: skip
_LISTS = ("data", "rows", "examples", "conversations", "train", "items")  # where a JSON object keeps its rows


@dataclass(frozen=True)
class Rejected:
    """A cell that cannot be read. `row` counts from 1 without the header, `line` as an editor does."""

    row: int
    line: int
    column: str  # "" where it is the whole row
    why: str
    cell: Any  # as it stands in the file

    def __str__(self) -> str:
        return f"row {self.row} (line {self.line}){f', column {self.column}' if self.column else ''}: {self.why}"


@dataclass(frozen=True)
class Record:
    """One row of a file: its cells by column, where a JSON file may hold more than text."""

    row: int
    line: int
    cells: dict[str, Any]
    mended: str = AS_IT_IS


@dataclass(frozen=True)
class Source:
    """A file's text."""

    path: Path
    text: str
    encoding: str
    guessed: bool

    def records(self, known: frozenset[str]) -> Iterator[Record | Rejected]:
        """The rows in order. `known` are columns that may be there, in lower case: they tell a CSV file's delimiter."""
        suffix = self.path.suffix.lower()
        if suffix in (".csv", ".tsv"):
            return _csv(self.text, known)
        return _json(self) if suffix == ".json" else _lines(self.text)


def open_source(path: Path, encoding: str = "") -> Source:
    """Read a file in the encoding that is named, or that its first bytes or all of them tell.

    Raises:
        StoreError: it cannot be read, or nothing tells its encoding.
        UsageError: it is of another kind, or there is no such encoding.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"{path.name} is not a file that can be converted", f"its name ends in one of: {', '.join(KINDS)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", "check its path") from None
    name, guessed = (encoding, False) if encoding else _encoding(data)
    try:
        return Source(path, data.decode(name).removeprefix("\ufeff"), name, guessed)
    except LookupError:
        raise UsageError(f"There is no encoding {encoding}", "name one that Python knows: utf-8, cp1252, shift_jis …") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise StoreError(f"{path.name}:{line} is not {name or 'of any encoding that could be told'}", "name its encoding with --encoding") from None


def _encoding(data: bytes) -> tuple[str, bool]:
    """The encoding's name, and whether it is a guess."""
    for name, mark in _BOMS:
        if data.startswith(mark):
            return name, False
    if b"\0" in data[:4000]:
        return ("utf-16-le" if data[1:2] == b"\0" else "utf-16-be"), True
    try:
        data.decode("utf-8")
        return "utf-8", False
    except UnicodeDecodeError:
        try:
            from charset_normalizer import from_bytes
        except ModuleNotFoundError:
            raise MissingExtra("charset-normalizer", "finetune") from None
        matches = from_bytes(data, cp_isolation=_LIKELY)
        best = matches.best()
        if best and best.encoding == "cp1250":  # short texts read as well in either; the Western one is in far wider use
            best = next((match for match in matches if match.encoding == "cp1252" and match.chaos == best.chaos), best)
        return (best.encoding if best else "utf-8"), True


def _csv(text: str, known: frozenset[str]) -> Iterator[Record | Rejected]:
    csv.field_size_limit(2**31 - 1)
    lines = text.splitlines(keepends=True)
    first = next(iter(lines), "")
    delimiter = max(",;\t|", key=lambda mark: sum(name.strip().lower() in known for name in next(csv.reader([first], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    line = reader.line_num + 1
    for row, cells in enumerate(filter(None, reader), 1):
        raw = "".join(lines[line - 1 : reader.line_num])
        if reader.line_num >= len(lines) and _is_open(raw, delimiter):
            yield Rejected(row, line, "", "a quote opens and is never closed", raw)
        elif len(cells) != len(header):
            yield Rejected(row, line, "", f"it has {len(cells)} cells and the header {len(header)}", raw)
        else:
            yield Record(row, line, dict(zip(header, cells, strict=True)))
        line = reader.line_num + 1


def _is_open(raw: str, delimiter: str) -> bool:
    try:
        list(csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _lines(text: str) -> Iterator[Record | Rejected]:
    row = 0
    for line, raw in enumerate(text.split("\n"), 1):
        if raw.strip():
            row += 1
            yield _record(row, line, raw)


def _record(row: int, line: int, raw: str) -> Record | Rejected:
    try:
        value, mended = read_cell(raw)
    except CellError as error:
        return Rejected(row, line, "", error.what, raw)
    return Record(row, line, value, mended) if isinstance(value, dict) else Rejected(row, line, "", "it is no object", raw)


def _json(source: Source) -> Iterator[Record | Rejected]:
    """A list of rows, an object that holds one, a single row, or JSON lines by a wrong name."""
    try:
        value, mended = read_cell(source.text)
    except CellError as error:
        found = list(_lines(source.text))
        if any(isinstance(item, Record) for item in found):
            yield from found
            return
        raise StoreError(f"{source.path} cannot be read: {error.what}", "mend it, or save it as JSON lines, one row a line") from None
    if isinstance(value, dict):
        value = next((value[name] for name in _LISTS if isinstance(value.get(name), list) and all(isinstance(row, dict) for row in value[name])
                      and not all("role" in row or "from" in row for row in value[name])), [value])  # fmt: skip
    if not isinstance(value, list):
        raise StoreError(f"{source.path} holds no rows", "it needs a list of objects")
    for row, item in enumerate(value, 1):
        yield Record(row, 1, item, mended) if isinstance(item, dict) else Rejected(row, 1, "", "it is no object", item)
