"""The router without a model: known phrases and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otto.messages import Route
from otto.phrases import PhraseBook
from otto.registry import Registry
from otto.router.base import NOTHING

if TYPE_CHECKING:
    from otto.config import Settings


class PhraseRouter:
    """Answers from the PhraseBook; what it does not know is `other()`."""

    name = "phrases"

    def __init__(self, registry: Registry, settings: Settings | None = None) -> None:
        self._cache = settings.paths.cache if settings else None
        self.update(registry)

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self.book = PhraseBook.open(registry, self._cache)

    def route(self, text: str) -> Route:
        """A known phrase's call with confidence 1, or `other()` with confidence 0.5: nothing is known of it."""
        started = time.perf_counter()
        call = self.book.match(text)
        ms = (time.perf_counter() - started) * 1000
        return Route(text, (call or NOTHING,), 1.0 if call else 0.5, self.name, ms)
