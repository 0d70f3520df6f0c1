"""The bundled skills and what is made of them, once a process: to load and align thousands of examples takes seconds."""

from __future__ import annotations

from functools import cache

from otto.align import Aligned, align
from otto.phrases import Phrase, PhraseBook
from otto.registry import Registry


@cache
def registry() -> Registry:
    """The bundled skills alone; nothing of this machine's user."""
    return Registry.load(entry_points=False)


@cache
def aligned() -> tuple[Aligned, ...]:
    """Every bundled example with its call aligned."""
    return tuple(align(spec, example) for spec in registry() for example in spec.examples)


@cache
def book() -> PhraseBook:
    """The PhraseBook of the bundled examples."""
    return PhraseBook(registry(), [Phrase.of(item) for item in aligned() if item.words and not item.missing])
