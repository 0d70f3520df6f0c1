"""Moonshine: free English speech with a small model, held to the skills' phrases where they were nearly said."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.stt.moonshine_model import END, START, Hearing, MoonshineModel

if TYPE_CHECKING:
    from typing_extensions import Self

    from otto.config import Settings
    from otto.registry import Registry

_SHORTEST = 0.1  # seconds
_TOKENS_A_SECOND = 8  # nobody speaks as fast
_DOUBT = -1.2  # mean log likelihood of a token below which nothing was understood


class MoonshineEngine:
    """Recognises English.

    Args:
        folder: the converted model.
        grammar: the phrases of the skills.

    Raises:
        ModelError: the model is missing or damaged, or the grammar cannot be used.
    """

    name = "moonshine"

    def __init__(self, folder: Path, grammar: SpeechGrammar) -> None:
        self._model = MoonshineModel(folder)

    @classmethod
    def open(cls, registry: Registry, settings: Settings) -> Self:
        """With the phrases of the installed skills. Raises ModelError."""
        from otto.jsgf import speech_grammar
        from otto.models import moonshine_folder
        from otto.phrases import PhraseBook

        return cls(moonshine_folder(settings), speech_grammar(PhraseBook.open(registry, settings.paths.cache), registry))

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        """Recognise one utterance; `expected` is what an answer to a question would be."""
        started = time.perf_counter()
        tokens, likelihood = self._free(utterance)
        ms = (time.perf_counter() - started) * 1000
        text = self._model.text(tokens)
        if not any(letter.isalnum() for letter in text):
            return NotRecognized("no words", self.name, ms)
        mean = likelihood / (len(tokens) + 1)
        if mean < _DOUBT:
            return NotRecognized("not understood", self.name, ms, text)
        return Transcript(text, self.name, ms, math.exp(mean))

    def partial(self, utterance: Utterance) -> str:
        """What has been said so far, quickly and without a second look."""
        return self._model.text(self._free(utterance)[0])

    def _free(self, utterance: Utterance) -> tuple[list[int], float]:
        """The likeliest tokens one after another, and the log likelihood of all."""
        if utterance.seconds < _SHORTEST:
            return [], 0.0
        hearing: Hearing = self._model.hear(utterance.samples)
        cache = hearing.begin()
        tokens, likelihood = [START], 0.0
        while len(tokens) < 2 + _TOKENS_A_SECOND * utterance.seconds:
            scores, cache = hearing.step(np.array([tokens[-1:]]), cache)
            best = int(scores[0, -1].argmax())
            likelihood += float(scores[0, -1, best])
            if best == END:
                break
            tokens.append(best)
        return tokens[1:], likelihood
