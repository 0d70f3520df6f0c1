"""Moonshine: free English speech with a small model, and the skills' phrases where something near one of them was said.

The model reads the sound twice: freely, and held to the phrases of the skills. Heard wrongly, a phrase is nearly as likely as the free text
("a double-shyed mocker": "a double shot mocha"); where something else was said, it is not, and the free text goes on as it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from otto.errors import ModelError
from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.stt.agreement import Agreement, confidence_of, garbled
from otto.stt.jsgf import JsgfError, read_jsgf
from otto.stt.moonshine_model import MoonshineModel
from otto.stt.search import Reading, Sentence, read_freely, read_sentences
from otto.stt.spelling import Spelling

if TYPE_CHECKING:
    from typing_extensions import Self

    from otto.config import Settings
    from otto.messages import Samples
    from otto.registry import Registry
    from otto.stt.moonshine_model import Hearing

_SHORTEST = 0.1  # seconds
_SILENCE = 30  # of 32767, the loudest sample of what is no sound at all
_SILENCES = (0.25, 0.0)  # seconds laid around the sound: with the second the model hears otherwise, where it was in doubt with the first
_CLEAR = 0.85  # mean likelihood of a token from which it was not
_TOKENS_A_SECOND, _FIRST_TOKENS = 8, 6  # nobody says more
_FURTHEST = 30.0  # log likelihood from the free text to the least likely phrase that is worth a search
_SURE = math.log(0.9)  # likelihood of a token from which there is no other to think of
_LETTER = 0.1  # log likelihood that a letter more is worth: the model ends a sentence early where it goes on unexpectedly
_OTHER = 0.1  # probability from which another phrase is worth a question
_PHRASE, _ANSWER = 0.6, 0.25  # confidence from which a phrase was said, and an expected answer: whoever is asked answers


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
        self._phrases = self._spelling(grammar)
        self._expected: tuple[SpeechGrammar, Spelling] | None = None
        self._last: tuple[Samples, tuple[int, ...]] = (np.zeros(0, np.int16), ())  # the last sound and its tokens

    @classmethod
    def open(cls, registry: Registry, settings: Settings) -> Self:
        """With the phrases of the installed skills. Raises ModelError."""
        from otto.jsgf import spoken_to_otto
        from otto.models import moonshine_folder

        return cls(moonshine_folder(settings), spoken_to_otto(registry, settings.paths.cache))

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        """Recognise one utterance; `expected` are the answers to a question, which go before the skills' phrases."""
        started = time.perf_counter()
        found = self._recognise(utterance, expected)
        ms = (time.perf_counter() - started) * 1000
        if isinstance(found, str):
            return NotRecognized(found, self.name, ms)
        text, confidence, others = found
        if not confidence:
            return NotRecognized("not understood", self.name, ms, text)
        return Transcript(text, self.name, ms, confidence, others)

    def partial(self, utterance: Utterance) -> str:
        """What has been said so far, quickly and without a look at the phrases; "" for nothing."""
        if _nothing(utterance):
            return ""
        reading = self._read(self._model.hear(utterance.samples, _SILENCES[0]), utterance)
        return "" if garbled(reading) else self._model.text(reading.tokens)

    def _recognise(self, utterance: Utterance, expected: SpeechGrammar | None) -> str | tuple[str, float, tuple[str, ...]]:
        """The text, its confidence (0 where it is none to act on) and other readings; or why there is no text."""
        if _nothing(utterance):
            return "silence"
        readings: list[Reading] = []
        for silence in _SILENCES:
            hearing = self._model.hear(utterance.samples, silence)
            readings.append(self._read(hearing, utterance))
            if phrase := self._phrase(hearing, readings[-1], expected):
                return phrase
            if confidence_of(readings[-1]) > _CLEAR:
                break
        free = max(readings, key=confidence_of)
        text = self._model.text(free.tokens)
        if not any(letter.isalnum() for letter in text):
            return "no words"  # what the model makes of noise
        return text, 0.0 if garbled(free) else confidence_of(free), ()

    def _phrase(self, hearing: Hearing, free: Reading, expected: SpeechGrammar | None) -> tuple[str, float, tuple[str, ...]] | None:
        """An expected answer or a phrase of the skills, its confidence and others like it; None where the free text is neither."""
        text = self._model.text(free.tokens)
        if not any(letter.isalnum() for letter in text):
            return None
        for spelling, least in ((self._answers(expected), _ANSWER), (self._phrases, _PHRASE)):
            sentences = self._sentences(hearing, spelling, free, text) if spelling else []
            if sentences and (confidence := Agreement.of(sentences[0], free, text).confidence) >= least:
                return sentences[0].text, confidence, _others(sentences)
        return None

    def _read(self, hearing: Hearing, utterance: Utterance) -> Reading:
        """The free text. Where the sound goes on from the last one, its tokens are a draft."""
        before, draft = self._last
        samples = utterance.samples
        if len(before) > len(samples) or not np.array_equal(before, samples[: len(before)]):
            draft = ()
        reading = read_freely(hearing, _longest(utterance), draft)
        self._last = samples, reading.tokens
        return reading

    def _sentences(self, hearing: Hearing, spelling: Spelling, free: Reading, text: str) -> list[Sentence]:
        """The phrases that come near the free text, best first. Where that is one, and nothing in it was in doubt, no other is looked for."""
        words = spelling.words(text)
        if words and all(likelihood > _SURE for token, likelihood in zip(free.tokens, free.likelihoods, strict=False) if spelling.letters([token])):
            return [Sentence(words, text, free.likelihood)]
        found = read_sentences(hearing, spelling, 2 * len(free.tokens) + _FIRST_TOKENS, free.likelihood - _FURTHEST)
        return sorted(found, key=_worth, reverse=True)

    def _answers(self, expected: SpeechGrammar | None) -> Spelling | None:
        """The answers that are expected; those that were expected last are kept."""
        if expected is None:
            return None
        if self._expected is None or self._expected[0] != expected:
            self._expected = expected, self._spelling(expected)
        return self._expected[1]

    def _spelling(self, grammar: SpeechGrammar) -> Spelling:
        try:
            return Spelling(read_jsgf(grammar.jsgf), self._model.spellings)
        except JsgfError as error:
            raise ModelError(f"The phrases of the skills make no speech grammar ({error})", "find the skill with: otto skills check") from None


def _nothing(utterance: Utterance) -> bool:
    return utterance.seconds < _SHORTEST or int(np.abs(utterance.samples.astype(np.int32)).max()) < _SILENCE


def _longest(utterance: Utterance) -> int:
    return round(_FIRST_TOKENS + _TOKENS_A_SECOND * utterance.seconds)


def _worth(sentence: Sentence) -> float:
    return sentence.likelihood + _LETTER * len(sentence.text)


def _others(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """The sentences beside the first that may have been said as well, by their probability if one of them all was."""
    weights = [math.exp(_worth(sentence) - _worth(sentences[0])) for sentence in sentences]
    return tuple(sentence.text for sentence, weight in zip(sentences[1:], weights[1:], strict=True) if weight >= _OTHER * sum(weights))
