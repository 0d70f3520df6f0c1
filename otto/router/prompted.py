"""A tuned Llama or Mistral as int8 ONNX, asked with the prompt of its family: the router llama where its weights are of that kind."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from otto.grammar import answer_grammar
from otto.messages import Route
from otto.prompt import render
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.router.base import NOTHING
from otto.router.causal import CausalModel

MAX_TOKENS = 256  # of an answer


class PromptedLlama:
    """Writes calls under the grammar of the skills; what all prompts begin with is read once."""

    def __init__(self, registry: Registry, model: CausalModel, own: str) -> None:
        self._model, self._own = model, own
        self.update(registry)

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self._registry = registry
        self._grammar = answer_grammar(registry)
        self._prefix = self._model.read(_shared(self._prompt("a"), self._prompt("1")))

    def route(self, text: str, name: str) -> Route:
        """The calls that the model writes; `other()` with confidence 0 where its answer does not end in time."""
        started = time.perf_counter()
        ids = self._prompt(text)
        known = len(self._prefix.ids)
        # what was said may have made another token of what stands before it
        prefix = self._prefix if tuple(ids[:known]) == self._prefix.ids and len(ids) > known else self._model.read([])
        written = self._model.write(self._grammar, ids[len(prefix.ids) :], prefix, MAX_TOKENS)
        calls = read_calls(written.text, self._registry) if written.whole else None
        ms = (time.perf_counter() - started) * 1000
        if calls is None:
            return Route(text, (NOTHING,), 0.0, name, ms, invalid=written.text)
        return Route(text, calls, math.exp(written.log_probability), name, ms)

    def _prompt(self, text: str) -> list[int]:
        return self._model.encode(render(self._model.family, self._registry, text, own=self._own))


def _shared(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """What both begin with."""
    length = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return list(one[:length])
