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

    if name == AUTO:
        name = "whisper" if whisper_on_this_machine(settings) else "closed-phrase"
    if name not in ENGINES:
        raise UsageError(f"There is no speech engine {name}", f"choose one of: {', '.join((AUTO, *ENGINES))}")
    module, _, attribute = ENGINES[name].partition(":")
    engine: type[SpeechEngine] = getattr(import_module(module), attribute)
    return engine.open(registry, settings)


def whisper_on_this_machine(settings: Settings) -> str:
    """The Whisper model to use: the one of the settings where it is installed, else any that is; "" if there is none."""
    from pathlib import Path

    from otto.models import list_models

    installed = [model.name for model in list_models(settings) if model.kind == "whisper" and model.installed]
    if settings.stt.model in installed or Path(settings.stt.model).expanduser().is_dir():
        return settings.stt.model
    return installed[0] if installed else ""
