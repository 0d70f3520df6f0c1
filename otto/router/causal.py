"""A causal language model as int8 ONNX with a cache of keys and values: it reads tokens, and writes what a grammar allows.

What the grammar leaves no choice about is not asked of the model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otto.errors import ModelError
from otto.promptformat import PromptFormat
from otto.router.onnx import MEND, open_session

EMBEDDED = "embedded"  # the prompt of weights that do not tell theirs
EOS = "<eos>"  # of the shipped model; others name theirs in llama.json


@dataclass(frozen=True)
class Prefix:
    """What a model has read."""

    ids: tuple[int, ...]
    cache: dict[str, Any]  # past_key_values.* → OrtValue


@dataclass(frozen=True)
class Written:
    """What a model wrote."""

    text: str
    log_probability: float  # of the tokens that it chose, among those that were allowed, in nats
    choices: int  # tokens that it chose; the others were forced by the grammar
    whole: bool  # whether the grammar was at its end


class CausalModel:
    """The files `llama.onnx` and `llama.json` of a folder.

    Raises:
        ModelError: a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        import llguidance
        from tokenizers import Tokenizer

        self.folder = folder
        self._session = open_session(folder / "llama.onnx")
        try:
            stored = json.loads((folder / "llama.json").read_text(encoding="utf-8"))
            text = json.dumps(stored["tokenizer"])
            self.tokenizer = Tokenizer.from_str(text)
            self.end = self.tokenizer.token_to_id(stored.get("eos", EOS))
            self._guide = llguidance.LLTokenizer(text, eos_token=self.end)
            self._sizes = stored["sizes"]
        except Exception as error:  # noqa: BLE001  the tokenizer libraries raise bare Exception
            raise ModelError(f"The model's file llama.json cannot be read ({error})", MEND) from None
        self._tuned_with = PromptFormat.from_json(stored)
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def family(self) -> str:
        """Of the prompt that it was tuned with."""
        return self._tuned_with.family if self._tuned_with else EMBEDDED

    def require_prompt(self, family: str, own: str = "") -> None:
        """Raises UsageError where it was tuned with another prompt than it would be asked with (see `otto.promptformat`)."""
        if self._tuned_with:
            self._tuned_with.require(PromptFormat.of(family, self.tokenizer.get_vocab(), own), self.folder)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text that holds all special ones."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def read(self, ids: Sequence[int]) -> Prefix:
        """Have the model read tokens, to write behind them more than once."""
        cache = self.run(ids, 0, self.empty_cache())[1] if ids else self.empty_cache()
        return Prefix(tuple(ids), cache)

    def write(self, grammar: str, ids: Sequence[int], prefix: Prefix, most: int) -> Written:
        """What the model writes, greedily, behind a prefix and more tokens.

        Args:
            grammar: for llguidance, in Lark.
            ids: what it reads behind the prefix; at least one token.
            prefix: from `read`.
            most: tokens.
        """
        import llguidance
        import llguidance.numpy
        import numpy as np

        matcher = llguidance.LLMatcher(self._guide, llguidance.LLMatcher.grammar_from_lark(grammar))
        past, cache, unread = len(prefix.ids), prefix.cache, list(ids)
        mask = llguidance.numpy.allocate_token_bitmask(1, self._guide.vocab_size)
        written: list[int] = []
        total, choices = 0.0, 0
        while len(written) < most:
            forced = matcher.compute_ff_tokens()
            if forced:
                matcher.consume_tokens(forced)
                written += forced
                unread = [*unread, *forced]
            if matcher.is_stopped():
                break
            logits, cache = self.run(unread, past, cache)
            past += len(unread)
            llguidance.numpy.fill_next_token_bitmask(matcher, mask, 0)
            allowed = np.unpackbits(mask[0].view(np.uint8), bitorder="little")[: len(logits)].astype(bool)
            logits = np.where(allowed, logits, -np.inf)
            best = int(logits.argmax())
            total += float(logits[best] - _log_sum(logits))
            choices += 1
            matcher.consume_token(best)
            written.append(best)
            unread = [best]
        return Written(self.tokenizer.decode(written, skip_special_tokens=True), total, choices, matcher.is_stopped())

    def run(self, ids: Sequence[int], past: int, cache: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The logits after the last token, float32[vocabulary], and the cache with these tokens."""
        import numpy as np
        import onnxruntime

        inputs = dict(cache)
        inputs["input_ids"] = onnxruntime.OrtValue.ortvalue_from_numpy(np.array([ids], np.int64))
        inputs["attention_mask"] = onnxruntime.OrtValue.ortvalue_from_numpy(np.ones((1, past + len(ids)), np.int64))
        found = dict(zip(self._outputs, self._session.run_with_ort_values(self._outputs, inputs), strict=True))
        logits = found.pop("logits").numpy()[0, -1].astype(np.float32)
        return logits, {name.replace("present", "past_key_values"): value for name, value in found.items()}

    def empty_cache(self) -> dict[str, Any]:
        """Of a model that has read nothing."""
        import numpy as np
        import onnxruntime

        shape = (1, self._sizes["key_value_heads"], 0, self._sizes["head_size"])
        empty = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
        return {f"past_key_values.{layer}.{part}": empty for layer in range(self._sizes["layers"]) for part in ("key", "value")}


def _log_sum(logits: Any) -> float:
    """log of the sum of exponentials of float32[n]."""
    import numpy as np

    top = float(logits.max())
    return top + math.log(float(np.exp(logits - top).sum()))
