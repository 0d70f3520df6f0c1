"""Speech to text: engines behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from otto.errors import UsageError
from otto.log import LOGGER

if TYPE_CHECKING:
    from otto.config import Settings
    from otto.registry import Registry
    from otto.stt.base import SpeechEngine

AUTO = "auto"  # Whisper where a model of it is on this machine, else Moonshine where it is, else closed-phrase mode
ENGINES = {
    "whisper": "otto.stt.whisper:WhisperEngine",
    "moonshine": "otto.stt.moonshine:MoonshineEngine",
    "closed-phrase": "otto.stt.sphinx:ClosedPhraseEngine",
}


def open_engine(name: str, registry: Registry, settings: Settings, tell: Callable[[str], None] = LOGGER.info) -> SpeechEngine:
    """The speech engine of that name, for the installed skills. `tell` is told, in a sentence, where that takes longer than usual.

    Raises:
        UsageError: there is no engine of that name.
        ModelError: its model is missing or damaged.
    """
    from importlib import import_module

    from otto.models import moonshine_folder

    name = chosen_engine(name, settings)
    if name not in ENGINES:
        raise UsageError(f"There is no speech engine {name}", f"choose one of: {', '.join((AUTO, *ENGINES))}")
    if name == "moonshine":
        moonshine_folder(settings, tell)
    module, _, attribute = ENGINES[name].partition(":")
    engine: type[SpeechEngine] = getattr(import_module(module), attribute)
    return engine.open(registry, settings)


def chosen_engine(name: str, settings: Settings) -> str:
    """The engine that AUTO stands for on this machine, which needs no download; any other name as it is."""
    from otto.models import installed_whisper, moonshine_here

    if name != AUTO:
        return name
    if installed_whisper(settings):
        return "whisper"
    return "moonshine" if moonshine_here(settings) else "closed-phrase"
