"""The router that is the tagger alone."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from otto.messages import Route
from otto.router.base import NOTHING
from otto.router.learning import TaggerSource
from otto.words import split_words

if TYPE_CHECKING:
    from otto.config import Settings
    from otto.registry import Registry


class TaggerRouter:
    """The tagger alone."""

    name = "tagger"

    def __init__(self, registry: Registry, settings: Settings | None = None) -> None:
        self._source = TaggerSource(registry, settings)

    @property
    def learning(self) -> bool:
        """Whether the shipped tagger still answers, and one of the installed skills is being trained."""
        return self._source.learning

    def update(self, registry: Registry) -> None:
        """Take up changed skills; until what they teach is learnt, the shipped tagger answers."""
        self._source.update(registry)

    def route(self, text: str) -> Route:
        """The tagger's call, or `other()` where that is nearer or its words fit no parameter."""
        started = time.perf_counter()
        words = split_words(text)
        if not words:
            return Route(text, (NOTHING,), 1.0, self.name, 0.0)
        tagger = self._source.tagger
        guess = tagger.guess([word.text for word in words])
        call = tagger.call(guess.label, guess.spans, self._source.specs, text) if guess.acts else NOTHING
        confidence = 1 / (1 + math.exp(-abs(guess.margin - guess.other))) if call else 0.5
        return Route(text, (call or NOTHING,), confidence, self.name, (time.perf_counter() - started) * 1000)
