"""The prompt that weights were tuned with: it travels with them, and the runtime refuses to ask them with another.

A tokenizer_config.json holds `otto_prompt`, the family, and `otto_prompt_format`: the hash of the prompt's text and the numbers of its
special tokens. The text itself is in `prompt.txt` beside it, as `router.prompt` takes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otto.errors import UsageError
from otto.prompt import special_tokens, whole_template

FAMILY, FORMAT = "otto_prompt", "otto_prompt_format"  # keys of tokenizer_config.json
TEXT = "prompt.txt"


@dataclass(frozen=True)
class PromptFormat:
    """What must be the same when weights are tuned and when they are asked."""

    family: str  # one of otto.prompt.FAMILIES
    sha256: str  # of the text with its places left open
    tokens: dict[str, int]  # special token of the text → its number, of those that the tokenizer knows

    @classmethod
    def of(cls, family: str, vocabulary: Mapping[str, int], own: str = "") -> PromptFormat:
        """The format that this Otto asks with.

        Args:
            family: of the prompt.
            vocabulary: token → number, of the model's tokenizer.
            own: the user's own prompt, as `otto.prompt.read_own` gives it.
        """
        text = whole_template(family, own)
        tokens = {token: vocabulary[token] for token in sorted(special_tokens(text)) if token in vocabulary}
        return cls(family, hashlib.sha256(text.encode()).hexdigest(), tokens)

    @classmethod
    def read(cls, folder: Path) -> PromptFormat | None:
        """The format that a folder's weights were tuned with; None where it does not tell."""
        try:
            return cls.from_json(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    @classmethod
    def from_json(cls, stored: Any) -> PromptFormat | None:
        """The format in what `to_json` made, among other keys or alone; None where it is not whole."""
        try:
            tokens = {str(token): int(number) for token, number in stored[FORMAT]["tokens"].items()}
            return cls(str(stored[FAMILY]), str(stored[FORMAT]["sha256"]), tokens)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    @property
    def mark(self) -> str:
        """The words by which the chat template of exported weights tells their format to who asks them through a server."""
        return f"otto_prompt {self.family} {self.sha256}"

    @classmethod
    def of_template(cls, chat_template: str) -> PromptFormat | None:
        """The format that a chat template tells, without the numbers of its tokens; None where it tells none."""
        found = re.search(r"otto_prompt ([\w-]+) ([0-9a-f]{64})", chat_template)
        return cls(found[1], found[2], {}) if found else None

    def to_json(self) -> dict[str, Any]:
        """Its keys in a tokenizer_config.json."""
        return {FAMILY: self.family, FORMAT: {"sha256": self.sha256, "tokens": dict(self.tokens)}}

    def require(self, asked: PromptFormat, where: Path) -> None:
        """Raises UsageError where weights of this format would be asked with another.

        Args:
            asked: the format that the runtime asks with.
            where: the weights' folder.
        """
        if asked.family != self.family:
            what = f"The weights in {where} were tuned with the prompt {self.family} and would be asked with {asked.family}"
            raise UsageError(what, "name them for the router transformers or llama with `otto config set router.model FOLDER`")
        if asked.sha256 != self.sha256:
            what = f"The weights in {where} were tuned with another text of the prompt {self.family} than they would be asked with"
            text = where / TEXT
            theirs = f"take theirs with `otto config set router.prompt {text}`" if text.is_file() else "set router.prompt as it was then"
            raise UsageError(what, f"{theirs}, or tune them anew")
        other = next((token for token, number in self.tokens.items() if asked.tokens.get(token) != number), None)
        if other:
            found = asked.tokens.get(other, "none")
            what = f"The weights in {where} were tuned with {other} as token {self.tokens[other]} and the tokenizer writes {found}"
            raise UsageError(what, "copy the tokenizer's files anew from where the weights come from")
