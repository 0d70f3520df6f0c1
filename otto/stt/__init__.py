"""Speech to text: engines behind one interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otto.errors import UsageError

if TYPE_CHECKING:
    from otto.config import Settings
    from otto.registry import Registry
    from otto.stt.base import SpeechEngine

AUTO = "auto"  # Whisper where a model of it is on this machine, else closed-phrase mode
ENGINES = {
    "whisper": "otto.stt.whisper:WhisperEngine",
    "closed-phrase": "otto.stt.sphinx:ClosedPhraseEngine",
}


def open_engine(name: str, registry: Registry, settings: Settings) -> SpeechEngine:
    """The speech engine of that name, for the installed skills.

    Raises:
        UsageError: there is no engine of that name.
        ModelError: its model is missing or damaged.
    """
    from importlib import import_module

    from otto.models import installed_whisper

    if name == AUTO:
        name = "whisper" if installed_whisper(settings) else "closed-phrase"
    if name not in ENGINES:
        raise UsageError(f"There is no speech engine {name}", f"choose one of: {', '.join((AUTO, *ENGINES))}")
    module, _, attribute = ENGINES[name].partition(":")
    engine: type[SpeechEngine] = getattr(import_module(module), attribute)
    return engine.open(registry, settings)
