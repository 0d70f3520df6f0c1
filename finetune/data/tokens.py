"""Tokens of a data file: of each message, each conversation, and how many of them the assistant wrote and training learns."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.data.tokenizer import Tokenizer, summary
from finetune.rows import Message, read_lines, text_of
from otto.errors import Problem, Problems, StoreError

FLOPS_A_PARAMETER = 6  # of LoRA with recomputed activations, a token: forward 2, forward again 2, backward through frozen weights 2


@dataclass
class Counted:
    """Tokens, without those that a chat template adds around a message."""

    conversations: list[int] = field(default_factory=list)  # of each row
    assistant: list[int] = field(default_factory=list)  # of each row, those that the assistant says
    messages: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # role → of each message
    estimate: bool = False

    @property
    def share(self) -> float:
        """The assistant's share of all tokens."""
        return sum(self.assistant) / max(1, sum(self.conversations))

    def report(self) -> dict[str, Any]:
        """All figures, for a program."""
        return {
            "rows": len(self.conversations),
            "conversation": summary(self.conversations),
            "assistant": summary(self.assistant),
            "messages": {role: {"n": len(counts), **summary(counts)} for role, counts in self.messages.items()},
            "assistant_share": self.share,
            "estimate": self.estimate,
        }


@dataclass(frozen=True)
class Effort:
    """What training would take. An estimate, all of it."""

    tokens: int  # read in all epochs
    dollars: float  # hosted
    seconds: float  # on the user's own device


def count(path: Path, tokenizer: Tokenizer) -> Counted:
    """Count a file of rows: prompt and completion, a prompt with two answers, or messages.

    Raises:
        StoreError: the file cannot be read, or has no rows.
        Problems: lines that are no rows; all of them are named.
    """
    conversations = _conversations(path)
    flat = [message for messages in conversations for message in messages]
    counts = iter(tokenizer.counts([message["content"] for message in flat]))
    found = Counted(estimate=tokenizer.estimate)
    for messages in conversations:
        total = said = 0
        for message in messages:
            tokens = next(counts)
            found.messages[message["role"]].append(tokens)
            total += tokens
            said += tokens if message["role"] == "assistant" else 0
        found.conversations.append(total)
        found.assistant.append(said)
    return found


def effort(tokens: int, *, epochs: float, price: float, parameters: float, tflops: float) -> Effort:
    """What it takes to train on so many tokens.

    Args:
        tokens: of the file.
        epochs: how often it is read.
        price: dollars a million tokens that a hosted service takes.
        parameters: of the local model, in billions.
        tflops: that the local device sustains.
    """
    read = round(tokens * epochs)
    return Effort(read, read / 1e6 * price, read * parameters * 1e9 * FLOPS_A_PARAMETER / (tflops * 1e12))


def duration(seconds: float) -> str:
    """Seconds in words, roughly."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _conversations(path: Path) -> list[list[Message]]:
    found, problems = [], []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            found.append(_messages(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"this has no {error}" if isinstance(error, KeyError) else f"this is not a row ({error})"
            problems.append(Problem(f"{path.name}:{number}", what))
    if problems:
        raise Problems(f"{path} cannot be counted, convert it with `otto finetune data convert`", problems)
    if not found:
        raise StoreError(f"{path} has no rows", "collect some with `otto finetune data collect`")
    return found


def _messages(row: dict[str, Any]) -> list[Message]:
    if "messages" in row:
        return [{"role": str(item["role"]), "content": _content(item)} for item in row["messages"]]
    prompt = row["prompt"]
    before = [{"role": "prompt", "content": prompt}] if isinstance(prompt, str) else [{**item, "content": _content(item)} for item in prompt]
    answers = [row[name] for name in ("completion", "chosen", "rejected") if name in row]
    if not answers:
        raise KeyError("completion")
    return before + [{"role": "assistant", "content": text_of(answer)} for answer in answers]


def _content(message: dict[str, Any]) -> str:
    """A message's text; what the assistant calls is tokens too."""
    content, calls = message["content"], message.get("tool_calls")
    if not isinstance(content, str | None):
        raise TypeError("a message's content is text")
    return (content or "") + (json.dumps(calls, ensure_ascii=False) if calls else "")
