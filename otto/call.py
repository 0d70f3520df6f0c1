"""Call: the only parser, printer and equality of `name(arg="value")`.

The syntax is Python's keyword call with literals. Several calls stand on several lines or are joined by `;`.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from otto.errors import CallSyntaxError

Literal: TypeAlias = "str | int | float | bool | list[Literal] | None"
Canonical = Callable[[Mapping[str, Any]], Mapping[str, Any]]

MAX_LENGTH = 20_000  # characters; Python's own parser takes quadratic time and deep stacks on hostile text
MAX_DEPTH = 20  # brackets inside brackets
MAX_DIGITS = 1_000  # of an int; Python refuses to print more than 4,300

_resolver: Callable[[str], Canonical | None] = lambda name: None  # noqa: E731  a default that set_resolver replaces


def set_resolver(resolver: Callable[[str], Canonical | None]) -> None:
    """Tell equality how to find the normalisers of a skill's parameters: skill name → arguments to canonical arguments."""
    global _resolver
    _resolver = resolver


@dataclass(frozen=True, eq=False)
class Call:
    """A skill's name and its keyword arguments.

    Two calls are equal when their names are and their arguments are, in any order, each value through the normaliser of
    its parameter where the skill is installed: `timer(duration="five minutes") == timer(duration="5 minutes")`.

    Raises:
        CallSyntaxError: a name is not an identifier, or a value is not a literal that can be written down.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (self.name, *self.arguments):
            if not _is_name(name):
                raise CallSyntaxError(f"{name!r} is not a name", 0)
        object.__setattr__(self, "arguments", {name: _checked(value) for name, value in self.arguments.items()})

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={printed(value)}' for name, value in self.arguments.items())})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        if self.name != other.name:
            return False
        if _same(self.arguments, other.arguments):
            return True
        canonical = _resolver(self.name)
        if canonical is None:
            return False
        try:
            return _same(canonical(self.arguments), canonical(other.arguments))
        except Exception:  # noqa: BLE001  a value that its normaliser refuses equals nothing but itself
            return False

    def __hash__(self) -> int:
        return hash(self.name)  # arguments may be equal in many spellings

    @classmethod
    def parse(cls, text: str) -> Call:
        """Read exactly one call. Raises CallSyntaxError with the position of what is wrong."""
        calls = cls.parse_all(text)
        if len(calls) != 1:
            raise CallSyntaxError(f"expected one call, found {len(calls)}", 0)
        return calls[0]

    @classmethod
    def parse_all(cls, text: str) -> tuple[Call, ...]:
        """Read calls on several lines or joined by `;`. Raises CallSyntaxError with the position of what is wrong."""
        plain = _read_plain(text)
        if plain is not None:
            return (plain,)
        _refuse_hostile(text)
        source = text.strip()
        shift = len(text) - len(text.lstrip())
        positions = _Positions(source, shift)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\d" in a string: a warning about code, and this is data
                module = ast.parse(source)
        except SyntaxError as error:
            raise CallSyntaxError("this is not a call", positions.at(error.lineno, error.offset, start=1)) from None
        except (ValueError, MemoryError, RecursionError) as error:
            raise CallSyntaxError(f"this is not a call ({type(error).__name__})", 0) from None
        if not module.body:
            raise CallSyntaxError("there is no call", 0)
        return tuple(_read_call(statement, positions) for statement in module.body)


_PLAIN_ARGUMENT = r'([A-Za-z_]\w*)=(?:"([^"\\\x00-\x1f\ud800-\udfff]*)"|(-?(?:0|[1-9]\d{0,14})))'
_PLAIN = re.compile(rf"([A-Za-z_]\w*)\((?:{_PLAIN_ARGUMENT}(?:, (?=\w)|(?=\))))*\)", re.ASCII)
_PLAIN_ARGUMENTS = re.compile(_PLAIN_ARGUMENT, re.ASCII)


def _read_plain(text: str) -> Call | None:
    """A call of plain texts and whole numbers, as nearly all are: ten times quicker than by Python's parser. None for any other."""
    if len(text) > MAX_LENGTH:
        return None
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    found = _PLAIN_ARGUMENTS.findall(text, match.end(1))
    arguments = {name: int(number) if number else said for name, said, number in found}
    if len(arguments) < len(found):
        return None  # a repeated argument: the parser says where
    try:
        return Call(match[1], arguments)
    except CallSyntaxError:
        return None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def _checked(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DIGITS:
            raise CallSyntaxError(f"a number has at most {MAX_DIGITS} digits", 0)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CallSyntaxError(f"{value} cannot be written as a literal", 0)
        return value
    if isinstance(value, str):
        surrogate = re.search("[\ud800-\udfff]", value)
        if surrogate:
            raise CallSyntaxError("a lone surrogate is not text", surrogate.start())
        return value
    if isinstance(value, list | tuple):
        return [_checked(item) for item in value]
    raise CallSyntaxError(f"{type(value).__name__} is not a literal", 0)


def printed(value: Any) -> str:
    """A literal as it stands in a call."""
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(char) or _printed_char(char) for char in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(printed, value))}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    return repr(value)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _printed_char(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _same(one: Any, other: Any) -> bool:
    """Literal equality: True is not 1, and 1 is 1.0."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


class _Positions:
    """Turns ast's (line, UTF-8 byte column) into an offset in characters of the text that was given."""

    def __init__(self, source: str, shift: int) -> None:
        self._lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", source)  # as Python's own parser counts lines
        self._shift = shift

    def at(self, line: int | None, column: int | None, start: int = 0) -> int:
        if line is None or column is None or line < 1:
            return self._shift
        before = sum(len(text) for text in self._lines[: line - 1])
        return self._shift + before + max(column - start, 0)

    def of(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        line = self._lines[node.lineno - 1] if node.lineno <= len(self._lines) else ""
        return self.at(node.lineno, len(line.encode()[: node.col_offset].decode(errors="ignore")))


_BRACKETS = re.compile(r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<open>[(\[{])|(?P<close>[)\]}])""")


def _refuse_hostile(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise CallSyntaxError(f"a call has at most {MAX_LENGTH} characters and this text goes on", MAX_LENGTH)
    surrogate = re.search("[\ud800-\udfff\0]", text)
    if surrogate:
        raise CallSyntaxError("this character is not text", surrogate.start())
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth += 1 if match["open"] else -1 if match["close"] else 0
        if depth > MAX_DEPTH:
            raise CallSyntaxError("too many brackets inside brackets", match.start())


def _read_call(statement: ast.stmt, positions: _Positions) -> Call:
    node = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise CallSyntaxError("this is not a call", positions.of(statement))
    if node.args:
        raise CallSyntaxError("an argument needs its name", positions.of(node.args[0]))
    arguments: dict[str, Any] = {}
    for item in node.keywords:
        if item.arg is None:
            raise CallSyntaxError("an argument needs its name", positions.of(item))
        if item.arg in arguments:
            raise CallSyntaxError(f"{item.arg} is given twice", positions.of(item))
        arguments[item.arg] = _read_literal(item.value, positions)
    try:
        return Call(node.func.id, arguments)
    except CallSyntaxError as error:
        raise CallSyntaxError(error.what.rsplit(" at character", 1)[0], positions.of(node)) from None


def _read_literal(node: ast.expr, positions: _Positions) -> Any:
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str | int | float)):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = node.operand.value if isinstance(node.operand, ast.Constant) else None
        if isinstance(number, int | float) and not isinstance(number, bool):
            return -number
    if isinstance(node, ast.List):
        return [_read_literal(item, positions) for item in node.elts]
    raise CallSyntaxError("only literals can be arguments", positions.of(node))

