"""Rows → tokens, exactly as the router will read them: a rendered prompt holds all its special tokens, and none is added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from finetune.rows import PreferenceRow, Text, TrainingRow
from otto.errors import UsageError

IGNORED = -100  # a label that has no loss
Encoded = tuple[list[int], list[int]]  # of a prompt, of an answer with its end
Encode = Callable[[Text, Text], Encoded]


@dataclass
class Tokenised:
    """What training reads, and what is too long for it."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    too_long: list[str] = field(default_factory=list)  # where each came from


def encoder(tokenizer: Any, end: int) -> Encode:
    """A function of a prompt and an answer.

    The router reads the prompt's tokens and then writes the answer's, so the prompt is cut as it stands alone; the answer is what follows it
    where both are cut together, and cut alone where the two would melt into one token.
    """

    def encode(prompt: Text, answer: Text) -> Encoded:
        if not isinstance(prompt, str) or not isinstance(answer, str):
            raise UsageError("These rows are messages, for a server", "collect them with --format of the base's family")
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        whole = tokenizer(prompt + answer, add_special_tokens=False)["input_ids"]
        together = whole[: len(before)] == before
        after = whole[len(before) :] if together else tokenizer(answer, add_special_tokens=False)["input_ids"]
        return list(before), [*after, end]

    return encode


def training_tokens(rows: Sequence[TrainingRow], encode: Encode, limit: int) -> Tokenised:
    """`input_ids` and `labels`, the loss on the answer alone. A row that would be cut is left out: half a call is a wrong lesson."""
    found = Tokenised()
    for row in rows:
        prompt, answer = encode(row.prompt, row.completion)
        if len(prompt) + len(answer) > limit:
            found.too_long.append(row.source or row.utterance)
        else:
            found.rows.append({"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
    return found


def preference_tokens(rows: Sequence[PreferenceRow], encode: Encode, limit: int) -> Tokenised:
    """`prompt_ids`, `chosen_ids`, `rejected_ids`."""
    found = Tokenised()
    for row in rows:
        prompt, chosen = encode(row.prompt, row.chosen)
        _, rejected = encode(row.prompt, row.rejected)
        if len(prompt) + max(len(chosen), len(rejected)) > limit:
            found.too_long.append(row.source)
        else:
            found.rows.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    return found
