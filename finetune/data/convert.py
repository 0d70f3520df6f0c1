"""Chat and prompt/completion data of other tools → JSON lines, with every cell that cannot be read accounted for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from finetune.data.cells import CellError, read_cell
from finetune.data.sources import Record, Rejected, Source
from otto.errors import StoreError, UsageError
from otto.tomlfile import replace_file

MESSAGES = ("messages", "conversation", "conversations", "chat", "dialog", "dialogue")
PROMPT = ("prompt", "instruction", "question", "query", "user", "input")
COMPLETION = ("completion", "response", "answer", "output", "assistant", "reply")
SYSTEM = ("system", "system_prompt")
ID = ("conversation_id", "thread_id", "chat_id", "dialog_id", "dialogue_id")
ROLE = ("role", "from", "speaker", "author")
CONTENT = ("content", "value", "text", "message")
KNOWN = frozenset((*MESSAGES, *PROMPT, *COMPLETION, *SYSTEM, *ID, *ROLE, *CONTENT))
ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user", "customer": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "ai": "assistant", "model": "assistant", "chatgpt": "assistant",
    "tool": "tool", "function": "tool",
}  # fmt: skip
_STRAIGHT = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"', "‘": "'", "’": "'", "‚": "'", "‛": "'"})


@dataclass
class Converted:
    """Rows in the order of the file, and what became of the rest."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    mended: Counter[str] = field(default_factory=Counter)  # how → cells


def convert(source: Source, *, straight_quotes: bool = False) -> Converted:
    """The rows of a file: `{"messages": […]}` of chats, `{"prompt", "completion"}` of pairs, other columns as they are.

    Args:
        source: the opened file.
        straight_quotes: write curled quotes in texts as straight ones. Otherwise every text stays as it is, character for character.

    Raises:
        StoreError: the file as a whole cannot be read.
        UsageError: none of its columns is known.
    """
    found = Converted()
    chats: dict[str, _Chat] = {}
    seen_columns: dict[str, None] = {}
    for record in source.records(KNOWN):
        if isinstance(record, Rejected):
            found.rejected.append(record)
            continue
        found.mended.update([record.mended] if record.mended else [])
        columns = {name.strip().lower(): name for name in record.cells}
        seen_columns.update(dict.fromkeys(record.cells))
        try:
            if _has(columns, ID) and _has(columns, ROLE) and _has(columns, CONTENT):
                _add_message(record, columns, chats, found)
            else:
                found.rows.append(_row(record, columns, found.mended))
        except _BadCell as error:
            found.rejected.append(Rejected(record.row, record.line, error.column, error.what, record.cells.get(error.column, record.cells)))
    _add_chats(chats, found)
    if not found.rows and not any(name.strip().lower() in KNOWN for name in seen_columns):
        columns_there = ", ".join(seen_columns) or "none"
        raise UsageError(f"{source.path.name} has no column that is known, but: {columns_there}", "name them messages, or prompt and completion")
    if straight_quotes:
        found.rows = [_straight(row) for row in found.rows]
    return found


def write(found: Converted, out: Path) -> Path | None:
    """Write the rows, read them back and compare; what was rejected goes into a file beside them, which is returned.

    Raises:
        StoreError: a file cannot be written, or what was read back is not what was written.
    """
    replace_file(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found.rows))
    if [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line] != found.rows:
        raise StoreError(f"{out} does not read back as it was written", "check the disk, and convert again")
    side = out.with_name(f"{out.name}.rejected.jsonl")
    if not found.rejected:
        side.unlink(missing_ok=True)
        return None
    replace_file(side, "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in found.rejected))
    return side


class _BadCell(Exception):
    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column, self.what = column, what


@dataclass
class _Chat:
    """A conversation that stands in a file one message a row."""

    records: list[Record] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False


def _has(columns: Mapping[str, str], names: Iterable[str]) -> str:
    """The first of the names that is a column, as the file writes it; "" where none is."""
    return next((columns[name] for name in names if name in columns), "")


def _row(record: Record, columns: Mapping[str, str], mended: Counter[str]) -> dict[str, Any]:
    chat = _has(columns, MESSAGES)
    if chat:
        taken, made = [chat], {"messages": _messages(chat, record.cells[chat], mended)}
    else:
        taken, made = _pair(record, columns, mended)
    return made | {name: value for name, value in record.cells.items() if name not in taken}


def _pair(record: Record, columns: Mapping[str, str], mended: Counter[str]) -> tuple[list[str], dict[str, Any]]:
    prompt, completion = _has(columns, PROMPT), _has(columns, COMPLETION)
    if not prompt or not completion:
        raise _BadCell("", f"there is no column {'for the prompt' if not prompt else 'for the completion'}")
    taken = [prompt, completion]
    made: dict[str, Any] = {"prompt": _side(prompt, record.cells[prompt], mended), "completion": _side(completion, record.cells[completion], mended)}
    more = columns.get("input", "")  # Alpaca's: what the instruction is about
    if more and prompt != more and isinstance(made["prompt"], str) and str(record.cells[more] or "").strip():
        made["prompt"] = f"{made['prompt']}\n\n{_said(more, record.cells[more])}"
    system = _has(columns, SYSTEM)
    if system and str(record.cells[system] or "").strip() and isinstance(made["prompt"], str) and isinstance(made["completion"], str):
        messages = zip(("system", "user", "assistant"), (_said(system, record.cells[system]), made["prompt"], made["completion"]), strict=True)
        made = {"messages": [{"role": role, "content": content} for role, content in messages]}
    return [*taken, *filter(None, (more, system))], made


def _side(column: str, cell: Any, mended: Counter[str]) -> Any:
    """A prompt or an answer: a text as it stands, or messages where it holds such."""
    text = cell.strip() if isinstance(cell, str) else ""
    if isinstance(cell, list) or (text.startswith(("[", '"[', "{", '"{')) and "role" in text):
        try:
            return _read_messages(column, cell, mended)
        except _BadCell:
            if isinstance(cell, list):
                raise
    return _said(column, cell)


def _said(column: str, cell: Any) -> str:
    if not isinstance(cell, str):
        raise _BadCell(column, f"it is {'empty' if cell is None else f'no text but {type(cell).__name__}'}")
    if not cell.strip():
        raise _BadCell(column, "it is empty")
    return cell


def _messages(column: str, cell: Any, mended: Counter[str]) -> list[dict[str, Any]]:
    """A whole conversation: somebody asks and the assistant answers."""
    messages = _read_messages(column, cell, mended)
    roles = {message["role"] for message in messages}
    for role in ("user", "assistant"):
        if role not in roles:
            raise _BadCell(column, f"there is no message of the {role}")
    return messages


def _read_messages(column: str, cell: Any, mended: Counter[str]) -> list[dict[str, Any]]:
    if isinstance(cell, str):
        try:
            cell, how = read_cell(cell)
        except CellError as error:
            raise _BadCell(column, error.what) from None
        mended.update([how] if how else [])
    if isinstance(cell, dict):
        inner = next((cell[name] for name in MESSAGES if isinstance(cell.get(name), list)), None)
        cell = [cell] if inner is None else inner
    if not isinstance(cell, list) or not cell:
        raise _BadCell(column, "it is no list of messages")
    return [_message(column, number, item) for number, item in enumerate(cell, 1)]


def _message(column: str, number: int, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise _BadCell(column, f"message {number} is no object")
    columns = {name.strip().lower(): name for name in item}
    role, content = _has(columns, ROLE), _has(columns, CONTENT)
    known = ROLES.get(str(item.get(role, "")).strip().lower())
    if known is None:
        raise _BadCell(column, f"message {number} has the role {item.get(role)!r}, which is not known")
    text = item.get(content)
    if isinstance(text, list) and len(text) == 1 and isinstance(text[0], dict) and text[0].get("type") == "text":
        text = text[0].get("text")
    calls = known == "assistant" and item.get("tool_calls")
    if not isinstance(text, str) and not (text is None and calls):
        raise _BadCell(column, f"message {number} has no text")
    return {"role": known, "content": text} | {name: value for name, value in item.items() if name not in (role, content)}


def _add_message(record: Record, columns: Mapping[str, str], chats: dict[str, _Chat], found: Converted) -> None:
    id, role, content = (_has(columns, names) for names in (ID, ROLE, CONTENT))
    key = str(record.cells[id]).strip()
    if not key:
        raise _BadCell(id, "it is empty")
    chat = chats.setdefault(key, _Chat())
    try:
        message = _message(content, 1, {"role": record.cells[role], "content": _said(content, record.cells[content])})
    except _BadCell as error:
        chat.broken = True
        bad = error.column if "role" not in error.what else role
        found.rejected.append(Rejected(record.row, record.line, bad, error.what.replace("message 1 has", "it has"), record.cells))
        return
    chat.records.append(record)
    chat.messages.append(message)


def _add_chats(chats: Mapping[str, _Chat], found: Converted) -> None:
    """A conversation that lacks a message says something else than was said: it goes aside as a whole."""
    for key, chat in chats.items():
        lacks = [role for role in ("user", "assistant") if role not in {message["role"] for message in chat.messages}]
        if not chat.broken and not lacks:
            found.rows.append({"messages": chat.messages, "conversation_id": key})
            continue
        why = "another message of its conversation cannot be read" if chat.broken else f"its conversation has no message of the {lacks[0]}"
        found.rejected += [Rejected(record.row, record.line, "", why, record.cells) for record in chat.records]


def _straight(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_STRAIGHT)
    if isinstance(value, list):
        return [_straight(item) for item in value]
    return {name: _straight(item) for name, item in value.items()} if isinstance(value, dict) else value
