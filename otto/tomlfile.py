"""A TOML file that a person wrote: what it says, where each key stands, and every line that is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otto.errors import Problem, StoreError

MAX_SYNTAX_ERRORS = 20
_BROKEN = "otto-broken-table-"  # stands in for a broken header, so that its keys do not fall to the table before it
_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_LINE = re.compile(rf"^\s*(?:\[\s*(?P<table>{_DOTTED})\s*\]|(?P<key>{_DOTTED})\s*=)")


class TomlSource:
    """A settings file: its text, what it says, and what is wrong with it so far."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self.text = text
        self.problems: list[Problem] = []
        self.values = self._parse()
        self._lines: dict[tuple[str, ...], int] = {}
        for path, number in _key_lines(text):
            self._lines.setdefault(path, number)

    @classmethod
    def read(cls, file: Path) -> TomlSource:
        try:
            return cls(file, file.read_text(encoding="utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError):
            return cls(file, "")
        except UnicodeDecodeError:
            raise StoreError(f"{file} is not a text file in UTF-8", "save it as UTF-8, or move it away") from None
        except OSError as error:
            raise StoreError(
                f"{file} cannot be read ({error.strerror})", "mend it, or name another file in OTTO_CONFIG"
            ) from None

    def where(self, *path: str) -> str:
        """The line of a setting, or of the nearest table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return f"{self.file.name}:{self._lines[path[:end]]}"
        return self.file.name

    def _parse(self) -> dict[str, Any]:
        """Read the TOML. A line that is none becomes a problem and is blanked, so that the next one is found too."""
        import tomlkit
        from tomlkit.exceptions import ParseError, TOMLKitError

        lines = _lines(self.text)
        while len(self.problems) < MAX_SYNTAX_ERRORS:
            try:
                values = tomlkit.parse("\n".join(lines) + "\n").unwrap()
                return {name: value for name, value in values.items() if not name.startswith(_BROKEN)}
            except ParseError as error:
                number = min(error.line, len(lines))
                what = str(error).partition(" at line ")[0]
            except TOMLKitError as error:  # a key that stands twice comes without its line
                number, what = _repeated_line("\n".join(lines)), str(error).rstrip(".")
            self.problems.append(
                Problem(f"{self.file.name}:{number}", f"this is not TOML ({what})", "mend or delete the line")
            )
            if not 0 < number <= len(lines) or not lines[number - 1].strip():
                break  # an error that no line can be blamed for
            broken_header = lines[number - 1].lstrip().startswith("[")
            lines[number - 1] = f"[{_BROKEN}{number}]" if broken_header else ""
        return {}


def _lines(text: str) -> list[str]:
    """As TOML counts lines, which is not as `splitlines` does."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _key_lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Where each key and table header stands, lines from 1."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(_lines(text), start=1):
        match = _LINE.match(line)
        if match:
            path = tuple(part.strip("\"'") for part in re.findall(_KEY, match["table"] or match["key"]))
            if match["table"]:
                table = path
                yield table, number
            else:
                yield table + path, number


def _repeated_line(text: str) -> int:
    seen = set()
    for path, number in _key_lines(text):
        if path in seen:
            return number
        seen.add(path)
    return 0


def replace_file(file: Path, text: str) -> None:
    """Write the file whole or not at all: a full disk or a kill leaves the old one. Raises StoreError."""
    target = Path(os.path.realpath(file))  # a link into somebody's dotfiles stays a link
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    except OSError as error:
        draft.unlink(missing_ok=True) if draft.parent.is_dir() else None
        raise StoreError(
            f"{file} cannot be written ({error.strerror})",
            "make room or the folder writable, or name another file in OTTO_CONFIG",
        ) from None
