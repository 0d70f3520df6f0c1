"""Ranked answers → preference rows: in a tree of messages, the best reply against the worst."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.data.cells import CellError, read_cell
from finetune.data.convert import ROLES
from finetune.rows import PreferenceRow, read_lines
from otto.errors import Problem, StoreError

_TEXT = ("text", "content", "message")
_TREE = ("message_tree_id", "conversation_id", "tree_id", "thread_id")
_ID = ("message_id", "id")
_PARENT = ("parent_id", "parent", "reply_to")


@dataclass(frozen=True)
class Reply:
    """One message of a tree."""

    id: str
    parent: str  # "" at the root
    tree: str  # conversation id
    role: str  # "user", "assistant" or "system"
    text: str
    rank: float | None = None  # 0 is best
    likes: float | None = None
    where: str = ""


@dataclass
class Ranked:
    """The pairs, and why other places gave none."""

    rows: list[PreferenceRow] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)  # (why, where)


def read_trees(path: Path) -> tuple[list[Reply], list[Problem]]:
    """The messages of a file, and what of it cannot be read: a tree a line with nested `replies`, or a message a line with `parent_id`.

    Raises:
        StoreError: the file cannot be read, or nothing in it can.
    """
    found: list[Reply] = []
    problems: list[Problem] = []
    for number, line in enumerate(_rows_text(path), 1):
        where = f"{path.name}:{number}"
        try:
            value, _ = read_cell(line)
        except CellError as error:
            problems.append(Problem(where, error.what))
            continue
        for row in value if isinstance(value, list) else [value]:
            inner = row.get("prompt", row) if isinstance(row, dict) else row
            found += _nested(inner, str(_first(row, _TREE) or "") if isinstance(row, dict) else "", "", where, problems)
    if problems and not found:
        mend = "give a tree or a message a line, as Open Assistant exports them"
        raise StoreError(f"{path} holds no messages that can be read ({problems[0]})", mend)
    return found, problems


def pairs_of(replies: Iterable[Reply]) -> Ranked:
    """At each message with two answers or more, the best against the worst: by rank, by likes where ranks are missing."""
    found = Ranked()
    by_id: dict[str, Reply] = {}
    for reply in replies:
        if reply.id in by_id:
            found.left_out.append(("a message stands twice", f"{reply.where}: {reply.id}"))
        by_id.setdefault(reply.id, reply)
    answers: dict[str, list[Reply]] = defaultdict(list)
    for reply in by_id.values():
        if reply.role == "assistant":
            answers[reply.parent].append(reply)
    for parent, group in answers.items():
        where = f"{group[0].where}: {parent or 'no parent'}"
        try:
            before = list(_path(by_id, group[0]))
        except LookupError as error:
            found.left_out.append((str(error.args[0]), where))
            continue
        if len({reply.tree for reply in group}) > 1:
            found.left_out.append(("answers of different conversations", where))
        elif len(group) < 2:
            found.left_out.append(("one answer alone", where))
        else:
            _compare(group, before, where, found)
    return found


def _compare(group: list[Reply], before: list[dict[str, Any]], where: str, found: Ranked) -> None:
    """Only the answers that have the mark that decides are compared."""
    ranked = [reply for reply in group if reply.rank is not None]
    liked = [reply for reply in group if reply.likes is not None]
    if len(ranked) >= 2:
        best, worst = min(ranked, key=lambda reply: reply.rank or 0), max(ranked, key=lambda reply: reply.rank or 0)
        same, why = best.rank == worst.rank, f"rank {best.rank:g} against {worst.rank:g}"
    elif len(liked) >= 2:
        best, worst = max(liked, key=lambda reply: reply.likes or 0), min(liked, key=lambda reply: reply.likes or 0)
        same, why = best.likes == worst.likes, f"{best.likes:g} likes against {worst.likes:g}"
    else:
        found.left_out.append(("neither ranks nor likes", where))
        return
    if same or best.text.strip() == worst.text.strip():
        found.left_out.append(("no answer is better", where))
        return
    chosen, rejected = ([{"role": "assistant", "content": reply.text}] for reply in (best, worst))
    found.rows.append(PreferenceRow(before, chosen, rejected, why, source=f"{best.tree} {best.where}".strip()))


def _path(by_id: Mapping[str, Reply], reply: Reply) -> Iterator[dict[str, Any]]:
    """The messages before a reply, oldest first. Raises LookupError where one is missing or they go round in a circle."""
    way: list[Reply] = []
    parent = reply.parent
    while parent:
        if parent not in by_id:
            raise LookupError("the message before it is not there")
        if any(item.id == parent for item in way):
            raise LookupError("its messages go round in a circle")
        way.append(by_id[parent])
        parent = by_id[parent].parent
    if not way:
        raise LookupError("an answer to nothing")
    return ({"role": item.role, "content": item.text} for item in reversed(way))


def _rows_text(path: Path) -> list[str]:
    """The lines of the file, or all of it where it is one JSON value."""
    lines = [line for line in read_lines(path) if line.strip()]
    whole = "\n".join(lines)
    try:
        json.loads(whole)
    except ValueError:
        return lines
    return [whole]


def _nested(row: Any, tree: str, parent: str, where: str, problems: list[Problem]) -> Iterator[Reply]:
    """A message and the replies inside it. One that is none, was deleted or was refused in review is a problem, with all below it."""
    fault = _fault(row)
    if fault:
        problems.append(Problem(where, fault))
        return
    text = str(_first(row, _TEXT))
    tree = str(_first(row, _TREE) or tree)
    id = str(_first(row, _ID) or f"{where} {parent} {json.dumps(text)}")
    yield Reply(id, str(_first(row, _PARENT) or parent), tree, _role(row), text, _number(row.get("rank")), _likes(row), where)
    for reply in row.get("replies") or ():
        yield from _nested(reply, tree, id, where, problems)


def _fault(row: Any) -> str:
    """Why this is no message to compare, "" where it is one."""
    if not isinstance(row, dict):
        return "this is no message"
    if row.get("deleted") or row.get("review_result") is False:
        return "it was deleted, or refused in review"
    if not _role(row):
        return f"it has the role {row.get('role')!r}, which is not known"
    text = _first(row, _TEXT)
    if not isinstance(text, str) or not text.strip():
        return "it has no text"
    try:
        _number(row.get("rank")), _likes(row)
    except (ValueError, TypeError, KeyError, AttributeError):
        return "its rank or its likes are no numbers"
    return "" if isinstance(row.get("replies") or [], list) else "its replies are no list"


def _role(row: Mapping[str, Any]) -> str:
    return ROLES.get(str(row.get("role", "")).strip().lower(), "")


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _number(value: Any) -> float | None:
    """A JSON number, or one in a text as CSV tools leave it."""
    if value is None or isinstance(value, bool) or value == "":
        return None
    return float(value)


def _likes(row: Mapping[str, Any]) -> float | None:
    """Thumbs up less thumbs down."""
    likes = _number(row.get("likes"))
    emojis = row.get("emojis")
    if likes is not None or not emojis:
        return likes
    if isinstance(emojis, dict) and "name" in emojis:  # the columns of a table: names and counts side by side
        emojis = dict(zip(emojis["name"], emojis["count"], strict=False))
    return float(emojis.get("+1", 0)) - float(emojis.get("-1", 0))
