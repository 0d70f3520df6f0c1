"""What training reads: rows of a prompt and its answer, and of a prompt with a better and a worse answer. JSON lines, one row a line.

A prompt is a text that ends where the answer begins; for servers and chat data it is a list of messages, and so are the answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from otto.call import Call
from otto.errors import CallSyntaxError, Problem, Problems, StoreError

Message = dict[str, Any]  # {"role", "content"}
Text = str | list[Message]
R = TypeVar("R")


@dataclass(frozen=True)
class TrainingRow:
    """A prompt and what the model should answer."""

    prompt: Text
    completion: Text  # begins with a space where the prompt does not end in one
    skill: str
    template: str = ""  # the sentence with its values taken out: what a split keeps together
    source: str = ""  # "timer_examples.txt:12"
    split: str = "train"  # or "validation" or "test"
    utterance: str = ""  # what was said

    @property
    def answer(self) -> str:
        """The completion's text."""
        return text_of(self.completion)

    @property
    def call(self) -> Call:
        """Raises CallSyntaxError where the completion is not one call in the call syntax."""
        return Call.parse(self.answer.strip())

    def with_answer(self, answer: str) -> Text:
        """Another answer, as this row writes its own."""
        if isinstance(self.completion, list):
            return [{"role": "assistant", "content": answer}]
        return self.completion[: len(self.completion) - len(self.completion.lstrip())] + answer

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class PreferenceRow:
    """A prompt, and of two answers the better and the worse."""

    prompt: Text
    chosen: Text
    rejected: Text
    why: str  # what is wrong with the rejected one, or how the two were ranked
    split: str = "train"
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def text_of(text: Text) -> str:
    """The text of a prompt or answer; of messages, their contents on lines of their own."""
    return text if isinstance(text, str) else "\n".join(str(message["content"]) for message in text)


def read_training_rows(path: Path) -> list[TrainingRow]:
    """The rows of a file that `otto finetune data collect` wrote.

    Raises:
        StoreError: the file cannot be read.
        Problems: lines that are no rows; all of them are named.
    """
    return list(_read(path, _training_row, "otto finetune data collect"))


def read_preference_rows(path: Path) -> list[PreferenceRow]:
    """The rows of a file that `otto finetune data pairs` wrote. Raises as `read_training_rows`."""
    return list(_read(path, _preference_row, "otto finetune data pairs"))


def json_lines(rows: Iterable[TrainingRow | PreferenceRow]) -> Iterator[str]:
    """The rows as the lines of a file, without line ends."""
    return (json.dumps(row.to_json(), ensure_ascii=False) for row in rows)


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file; a line ends at a newline alone. Raises StoreError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise StoreError(f"{path} cannot be read ({reason})", "check its path, or convert it with `otto finetune data convert`") from None
    return text.removesuffix("\n").split("\n") if text else []


def _read(path: Path, build: Callable[[dict[str, Any]], R], made_by: str) -> Iterable[R]:
    rows, problems = [], []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            rows.append(build(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, CallSyntaxError) as error:
            what = f"this has no {error}" if isinstance(error, KeyError) else f"this is not a row ({error})"
            problems.append(Problem(f"{path.name}:{number}", what))
    if problems:
        raise Problems(f"{path} cannot be used, make it with `{made_by}`", problems)
    return rows


def _training_row(item: dict[str, Any]) -> TrainingRow:
    others = {name: _text(item, name) for name in ("template", "source", "split", "utterance") if name in item}
    row = TrainingRow(item["prompt"], item["completion"], _text(item, "skill"), **others)
    _check_texts(row.prompt, row.completion)
    return row


def _preference_row(item: dict[str, Any]) -> PreferenceRow:
    others = {name: _text(item, name) for name in ("why", "split", "source") if name in item or name == "why"}
    row = PreferenceRow(item["prompt"], item["chosen"], item["rejected"], **others)
    _check_texts(row.prompt, row.chosen, row.rejected)
    if row.chosen == row.rejected:
        raise ValueError("chosen and rejected are the same")
    return row


def _text(item: dict[str, Any], name: str) -> str:
    if not isinstance(item[name], str):
        raise TypeError(f"{name} is a text")
    return str(item[name])


def _check_texts(*texts: Text) -> None:
    for text in texts:
        messages = [] if isinstance(text, str) else text
        if not isinstance(messages, list) or not all(isinstance(item.get("role"), str) and isinstance(item.get("content"), str) for item in messages):
            raise TypeError("a prompt or an answer is a text, or a list of messages with role and content")
        if not text_of(text).strip():
            raise ValueError("a prompt or an answer is empty")
