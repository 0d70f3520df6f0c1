"""A Mistral or Llama model from a folder, with a LoRA adapter, as a router: 4-bit where there is a CUDA GPU.

Decoding is greedy and held to the grammar of the installed skills; tokens that the grammar forces are not asked of the
model, and what a prompt shares with the one before is not read again. Adapters are switched while the base stays.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from otto.errors import MissingExtra, ModelError
from otto.messages import Route
from otto.prompt import read_own, render
from otto.promptformat import PromptFormat
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.router.base import NOTHING
from otto.router.decoding import Reader, Writer
from otto.router.loading import LargeModel
from otto.router.modelfiles import CHOOSE, folder_of, reason

if TYPE_CHECKING:
    from otto.config import Settings

MAX_TOKENS = 256  # of an answer


class TransformersRouter:
    """Asks a large model on this machine for the calls."""

    name = "transformers"

    def __init__(self, registry: Registry, settings: Settings) -> None:
        """Loads the model.

        Raises:
            MissingExtra: torch, transformers or, for an adapter, peft is not installed.
            ModelError: the model or the adapter is not there, damaged, or too large.
            UsageError: the prompt that the weights were tuned with is not the one that they would be asked with.
        """
        self._models, self._own_file = settings.paths.models, settings.router.prompt
        folder = folder_of("model", settings.router.model, self._models)
        adapter = folder_of("adapter", settings.router.adapter, self._models) if settings.router.adapter else None
        _require("torch", "transformers", "accelerate", *(["peft"] if adapter else []))
        self._registry = registry
        self._lock = threading.Lock()  # one cache, one utterance at a time
        self._model = LargeModel(folder)
        self._use(adapter)

    def use_adapter(self, folder: str | Path | None) -> None:
        """Answer with another adapter from now on, or with the base alone; the base is not loaded again.

        Args:
            folder: of the adapter, beside what Otto itself keeps or anywhere else.

        Raises:
            MissingExtra, ModelError, UsageError: as when the router is made; it goes on with the adapter that it had.
        """
        adapter = folder_of("adapter", folder, self._models) if folder is not None else None
        if adapter:
            _require("peft")
        with self._lock:
            self._use(adapter)

    def _use(self, adapter: Path | None) -> None:
        speech = self._model.speech(adapter)
        own = read_own(self._own_file, speech.family, self._model.folder.name)
        tuned_with = PromptFormat.read(adapter or self._model.folder)
        if tuned_with:
            tuned_with.require(PromptFormat.of(speech.family, speech.tokenizer.get_vocab(), own), adapter or self._model.folder)
        self._speech, self._own_prompt = self._model.use(adapter), own
        self._reader = Reader(self._model.network)
        self.update(self._registry)

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self._registry = registry
        self._matcher = self._speech.matcher(registry)

    def route(self, text: str) -> Route:
        """The calls that the model finds; `other()` with confidence 0 where its answer does not end in time.

        Raises:
            ModelError: the prompt is longer than the model can read, or the model fails.
        """
        import torch

        started = time.perf_counter()
        with self._lock, torch.inference_mode():
            written = render(self._speech.family, self._registry, text, own=self._own_prompt)
            prompt = self._speech.tokenizer(written, add_special_tokens=False)["input_ids"]
            self._require_room(len(prompt))
            try:
                answer, confidence = self._decode(prompt)
            except Exception as error:
                what = f"The model {self._model.folder.name} failed ({reason(error)})"
                raise ModelError(what, CHOOSE.format("model")) from error
        calls = read_calls(answer, self._registry)
        ms = (time.perf_counter() - started) * 1000
        if calls is None:
            return Route(text, (NOTHING,), 0.0, self.name, ms, invalid=answer)
        return Route(text, calls, confidence, self.name, ms)

    def _decode(self, prompt: Sequence[int]) -> tuple[str, float]:
        """The answer, and the probability of the choices in it, among all that the model could have said instead."""
        matcher = self._matcher.deep_copy()
        writer = Writer(self._reader, prompt, self._speech, self._model.width(self._speech), matcher)
        while len(writer.tokens) < MAX_TOKENS and not writer.ended:
            writer.step()
        if matcher.is_error() or math.isnan(writer.log_probability):
            raise ValueError(matcher.get_error() or "its numbers are not numbers")
        return self._speech.grammar_tokens.decode_str(writer.tokens), math.exp(min(0.0, writer.log_probability))

    def _require_room(self, length: int) -> None:
        limit = self._model.limit
        if limit and length + MAX_TOKENS > limit:
            raise ModelError(
                f"The installed skills and the answer need {length + MAX_TOKENS} tokens and the model {self._model.folder.name} reads {limit}",
                "use one with a longer context: `otto config set router.model FOLDER`",
            )


def _require(*packages: str) -> None:
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtra(package, "transformers")
