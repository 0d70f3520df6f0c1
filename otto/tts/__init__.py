"""Text to speech: reply engines behind one interface."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from otto.errors import AudioError, ModelError
from otto.messages import Sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from otto.config import Settings
    from otto.tts.base import ReplyEngine

_MEND = "install one with: apt install espeak-ng (on a Mac: brew install espeak-ng)"
AUTO, NONE = "auto", "none"
ENGINES = {  # the best first: `auto` takes them in this order
    "piper": "otto.tts.piper:Piper",
    "say": "otto.tts.programs:Say",
    "sapi": "otto.tts.programs:Sapi",
    "espeak-ng": "otto.tts.programs:Espeak",
    "flite": "otto.tts.programs:Flite",
}


def open_voice(settings: Settings) -> ReplyEngine | None:
    """The reply engine of the settings, behind it those that can take its place; None where no replies are to be, or can be, spoken.

    Raises:
        ModelError: the engine that the settings name, or its voice, is not on this machine.
    """
    if settings.voice.engine == NONE:
        return None
    try:
        return Chain.open(settings)
    except ModelError:
        if settings.voice.engine == AUTO:
            return None
        raise


class Chain:
    """Speaks with the first of several engines; where that fails at a sentence, the next one speaks it and stays the first.

    Args:
        engines: at least one.
        volume: percent of the engines' own.
    """

    def __init__(self, engines: Sequence[ReplyEngine], volume: int = 100) -> None:
        self.name = engines[0].name
        self._engines = list(engines)
        self._volume = volume
        self._cancelled = False

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The engine of the settings and, behind it, all others. Raises ModelError if that one, or any at all, is not on this machine."""
        wanted = settings.voice.engine
        engines = [] if wanted == AUTO else [_opened(wanted, settings)]
        for name in ENGINES:
            if name != wanted:
                with suppress(ModelError):  # it is not on this machine
                    engines.append(_opened(name, settings))
        if not engines:
            raise ModelError("There is no voice to speak the replies with", _MEND)
        return cls(engines, settings.voice.volume)

    def synthesize(self, sentence: str) -> Sound:
        """Speak one sentence. Raises AudioError, the first engine's, if none of them can, or it is cancelled."""
        self._cancelled = False
        failures: list[AudioError] = []
        for engine in tuple(self._engines):
            try:
                return self._at_volume(engine.synthesize(sentence))
            except AudioError as error:
                failures.append(error)
                if self._cancelled:
                    break
                self._engines.append(self._engines.pop(0))  # the next sentence need not wait for it again
                self.name = self._engines[0].name
        raise failures[0]

    def cancel(self) -> None:
        """End a `synthesize` that is going on in another thread."""
        self._cancelled = True
        for engine in self._engines:
            engine.cancel()

    def _at_volume(self, sound: Sound) -> Sound:
        if self._volume == 100:
            return sound
        return Sound((sound.samples * (self._volume / 100)).astype(np.int16), sound.rate)


def _opened(name: str, settings: Settings) -> ReplyEngine:
    from importlib import import_module

    module, _, attribute = ENGINES[name].partition(":")
    engine: type[ReplyEngine] = getattr(import_module(module), attribute)
    return engine.open(settings)
