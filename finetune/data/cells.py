"""Reads JSON as other tools leave it in a cell or a line: with quotes doubled or curled, with brackets too many, as Python prints it.

Only damage that has one reading is mended, by taking away marks that stand outside of texts; the rest is refused. json-repair reads nearly
anything, and loses words on the way: of `{"a": 1 2}` the 2, of doubled quotes inside doubled quotes what follows them. So it was left.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from typing import Any

from otto.errors import OttoError

MAX_LENGTH = 2_000_000  # characters of a cell
AS_IT_IS = ""

_STRING = r'"(?:[^"\\]|\\.)*"'
_PIECES = re.compile(rf"(?P<string>{_STRING})|(?P<open>[\[{{])|(?P<close>[\]}}])|(?P<comma>,)|(?P<other>[^\[\]{{}},\"]+)", re.DOTALL)
_PAIRS = {"]": "[", "}": "{"}
_SMART = "“”„‟"
_SMART_OPENING = re.compile(rf"((?:\A|[\[{{,:])\s*)[{_SMART}]")
_SMART_CLOSING = re.compile(rf"[{_SMART}](?=\s*(?:[,:\]}}]|\Z))")


class CellError(OttoError):
    """A cell cannot be read, or not in one way only."""


def read_cell(text: str) -> tuple[Any, str]:
    """The value of a JSON text, and what had to be mended in it: AS_IT_IS, or a few words.

    Raises:
        CellError: it is no JSON, or its damage has no one reading.
    """
    if len(text) > MAX_LENGTH:
        raise CellError(f"it has more than {MAX_LENGTH:,} characters")
    bare = text.strip().strip("\ufeff").strip()
    if not bare:
        raise CellError("it is empty")
    try:
        return _strict(bare), AS_IT_IS
    except ValueError as error:
        reason = str(error)
    for mended, how in _mended(bare):
        try:
            return _strict(mended), how
        except ValueError:
            continue
    if bare[0] in "[{":
        try:
            return _python(bare), "Python's quotes"
        except ValueError:
            pass
    raise CellError(f"it is no JSON that has one reading ({reason})")


def _strict(text: str) -> Any:
    """Raises ValueError where a key stands twice too: one of the two values would be lost. A text may hold a line break as it is."""
    try:
        return json.loads(text, strict=False, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("too many brackets inside brackets") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _mended(text: str) -> Iterator[tuple[str, str]]:
    """Readings of a damaged text, the mildest first."""
    versions = [(text, "")]
    quoted = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    if '""' in quoted and all(len(run) % 2 == 0 for run in re.findall('"+', quoted)):
        versions.append((quoted.replace('""', '"'), "doubled quotes"))
    if '"' not in text and any(mark in text for mark in _SMART):
        versions.append((_SMART_CLOSING.sub('"', _SMART_OPENING.sub(r'\1"', text)), "curled quotes"))
    for version, how in versions:
        if how:
            yield version, how
        whole = _without_strays(version)
        if whole is not None and whole != version:
            yield whole, f"{how}, stray brackets".removeprefix(", ")


def _without_strays(text: str) -> str | None:
    """Without closing brackets that close nothing, a doubled first bracket that nothing closes, and commas before a closing one.

    None where the text breaks off, or holds something else than JSON's parts.
    """
    kept: list[str] = []
    opened: list[tuple[str, int]] = []  # bracket, its place in `kept`
    at = 0
    for piece in _PIECES.finditer(text):
        if piece.start() != at:
            return None
        at = piece.end()
        if piece["close"]:
            if not opened or opened[-1][0] != _PAIRS[piece["close"]]:
                continue
            opened.pop()
            _drop_comma(kept)
        if piece["open"]:
            opened.append((piece["open"], len(kept)))
        kept.append(piece.group())
    if at != len(text):
        return None
    for bracket, place in reversed(opened):
        if place != 0 or text[:2].count(bracket) != 2:
            return None
        del kept[0]
    _drop_comma(kept)
    return "".join(kept)


def _drop_comma(kept: list[str]) -> None:
    """A comma with nothing behind it."""
    last = next((index for index in range(len(kept) - 1, -1, -1) if kept[index].strip()), None)
    if last is not None and kept[last] == ",":
        del kept[last]


def _python(text: str) -> Any:
    """A list or dict as Python prints it. Raises ValueError where it has no one reading, or no JSON."""
    try:
        _refuse_joined_strings(text)
        tree = ast.parse(text, mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                keys = [ast.dump(key) if key else "" for key in node.keys]
                if len(set(keys)) < len(keys):
                    raise ValueError("a name stands twice in one object")
        value = ast.literal_eval(tree)
    except (SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError) as error:
        raise ValueError(str(error)) from None
    if json.loads(json.dumps(value, allow_nan=False, default=_no_json)) != value:
        raise ValueError("it is no JSON")
    return value


def _no_json(value: Any) -> Any:
    raise ValueError(f"{type(value).__name__} is no JSON")


def _refuse_joined_strings(text: str) -> None:
    """'it''s' is "its" to Python and "it's" to most others."""
    before = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING and before == tokenize.STRING:
            raise ValueError("two texts stand side by side")
        if token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT):
            before = token.type
