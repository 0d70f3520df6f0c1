"""Call engines: each takes an utterance and the skills and returns a Route."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from otto.errors import UsageError
from otto.registry import Registry
from otto.router.base import Router

if TYPE_CHECKING:
    from otto.config import Settings

ENGINES = {
    "embedded": "otto.router.embedded:EmbeddedRouter",
    "phrases": "otto.router.phrases:PhraseRouter",
    "tagger": "otto.router.tagging:TaggerRouter",
    "llama": "otto.router.llama:LlamaRouter",
    "transformers": "otto.router.transformers:TransformersRouter",
    "openai": "otto.router.openai:OpenAIRouter",
}


def open_router(name: str, registry: Registry, settings: Settings) -> Router:
    """The engine of a name.

    Raises:
        UsageError: there is no such engine.
        MissingExtra, ModelError: a part of it is not on this machine.
    """
    if name not in ENGINES:
        raise UsageError(f"There is no router {name}", f"use one of: {', '.join(ENGINES)}")
    module, _, cls = ENGINES[name].partition(":")
    router: Router = getattr(import_module(module), cls)(registry, settings)
    return router
