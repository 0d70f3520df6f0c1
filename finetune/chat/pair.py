"""A base and its adapter, loaded once, which answer the same words in turn, a token each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from otto.call import Call
from otto.errors import MissingExtra, ModelError
from otto.prompt import read_own, render
from otto.promptformat import TEXT
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.router.decoding import Reader, Writer
from otto.router.loading import LargeModel
from otto.router.modelfiles import reason

BASE, TUNED = "base", "tuned"


@dataclass
class Said:
    """What one of the two has said so far."""

    who: str
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    ended: bool = False
    calls: tuple[Call, ...] | None = None  # what the router would read in it; None for no valid call


@dataclass
class Exchange:
    """Words, and the answers to them."""

    words: str
    answers: list[Said] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """False where it was stopped."""
        return all(said.ended for said in self.answers)


class Pair:
    """The two models."""

    def __init__(self, base: Path, adapter: Path, registry: Registry, own: str = "", *, held: bool = False, longest: int = 256) -> None:
        """Loads them.

        Args:
            base: the folder of its weights.
            adapter: the folder of its adapter.
            registry: the skills in the prompt.
            own: the file of a prompt of the user's own; "" for the one beside the adapter, or the family's.
            held: hold both to the grammar of the skills, as the router does.
            longest: tokens of an answer.

        Raises:
            MissingExtra: torch, transformers or peft is not installed.
            ModelError: the base or the adapter is damaged, too large, or of another model.
            UsageError: the prompt is not of the base's family.
        """
        for package in ("torch", "transformers", "accelerate", "peft"):
            if find_spec(package) is None:
                raise MissingExtra(package, "finetune")
        self._model = LargeModel(base)
        self._registry, self._longest, self._adapter = registry, longest, adapter
        self._family = self._model.speech(adapter).family
        beside = adapter / TEXT
        self._own = read_own(own or (str(beside) if beside.is_file() else ""), self._family, base.name)
        self._sides = [_Side(self._model, who, folder, registry, held) for who, folder in ((BASE, None), (TUNED, adapter))]

    def answer(self, words: str) -> Iterator[Exchange]:
        """The answers as they grow, a token of each at a time; the last is whole.

        Raises:
            ModelError: the prompt is longer than the model reads, or the model fails.
        """
        prompt = render(self._family, self._registry, words, own=self._own)
        try:
            for side in self._sides:
                side.begin(prompt, self._longest)
            exchange = Exchange(words, [side.said for side in self._sides])
            while not exchange.ended:
                for side in self._sides:
                    side.step()
                yield exchange
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"The model {self._model.folder.name} failed ({reason(error)})", "take a smaller base, or the CPU") from error


class _Side:
    """The base, or the base with its adapter."""

    def __init__(self, model: LargeModel, who: str, adapter: Path | None, registry: Registry, held: bool) -> None:
        self._model, self._who, self._adapter, self._registry = model, who, adapter, registry
        self._speech = model.use(adapter)
        self._matcher = self._speech.matcher(registry) if held else None
        self._reader: Reader | None = None

    def begin(self, prompt: str, longest: int) -> None:
        """Take up a prompt."""
        tokens = self._speech.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        limit = self._model.limit
        if limit and len(tokens) + longest > limit:
            what = f"The skills and the answer need {len(tokens) + longest:,} tokens and {self._model.folder.name} reads {limit:,}"
            raise ModelError(what, "name fewer skills with --skills, or give --max-tokens")
        self.said, self._longest = Said(self._who), longest
        if self._reader is None:
            self._reader = Reader(self._model.network)
        matcher = self._matcher.deep_copy() if self._matcher else None
        self._writer = Writer(self._reader, tokens, self._speech, self._model.width(self._speech), matcher)

    def step(self) -> None:
        """Write a token."""
        import torch

        said, writer = self.said, self._writer
        if said.ended:
            return
        started = time.perf_counter()
        self._model.use(self._adapter)
        with torch.inference_mode():
            writer.step()
        said.text = _text(self._speech.tokenizer, writer.tokens)
        said.tokens = len(writer.tokens)
        said.ended = writer.ended or said.tokens >= self._longest
        said.seconds += time.perf_counter() - started
        if said.ended:
            said.calls = read_calls(said.text, self._registry)


def _text(tokenizer: Any, tokens: Sequence[int]) -> str:
    """What tokens say, without a last character of which a part is still to come."""
    return str(tokenizer.decode(tokens, skip_special_tokens=False)).rstrip("\ufffd")
