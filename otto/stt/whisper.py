"""faster-whisper: free speech, with a model that lies on this machine."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from otto.errors import ModelError
from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from typing_extensions import Self

    from otto.config import Settings
    from otto.registry import Registry

_NEEDED = ("config.json", "model.bin", "tokenizer.json", "vocabulary.*")  # without tokenizer.json faster-whisper asks the hub


class WhisperEngine:
    """Recognises anything that is said, in one pass: int8 on the processor, beam 1, no second try at a higher temperature.

    Args:
        folder: a CTranslate2 Whisper model. Nothing is ever downloaded.
        language: what is spoken, as a code such as "en".
        hotwords: names and words to expect ("Spotify, Kathmandu"); empty for none.

    Raises:
        ModelError: the folder is missing, lacks a file, or holds a damaged model.
    """

    name = "whisper"

    def __init__(self, folder: str | Path, language: str = "en", hotwords: str = "") -> None:
        self._folder = Path(folder)
        self._mend = f"download it anew with: otto models pull {self._folder.name}"
        self._language = language
        self._hotwords = hotwords or None
        self._model = self._load()

    @classmethod
    def open(cls, registry: Registry, settings: Settings) -> Self:
        """With the model of the settings, or another that is installed, and the words of the skills' phrases. Raises ModelError."""
        from otto.models import installed_whisper, model_path
        from otto.phrases import PhraseBook

        folder = model_path(settings, installed_whisper(settings) or settings.stt.model)
        hot_words = PhraseBook.open(registry, settings.paths.cache).hot_words()
        return cls(folder, settings.stt.language, ", ".join(hot_words))

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        """Recognise one utterance; the words of the answers that are expected are its hot words. Raises ModelError if the model is damaged."""
        started = time.perf_counter()
        try:
            segments, _ = self._model.transcribe(
                utterance.samples.astype(np.float32) / 32768,
                language=self._language if self._model.model.is_multilingual else "en",
                beam_size=1,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
                hotwords=", ".join(expected.words) if expected else self._hotwords,
            )
            found = list(segments)  # the work is done here
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"The speech model in {self._folder} cannot be used ({error})", self._mend) from None
        ms = (time.perf_counter() - started) * 1000
        text = " ".join(" ".join(segment.text for segment in found).split())
        if not any(letter.isalnum() for letter in text):
            return NotRecognized("no words", self.name, ms)
        tokens = sum(len(segment.tokens) for segment in found) or 1
        confidence = math.exp(sum(segment.avg_logprob * len(segment.tokens) for segment in found) / tokens)
        return Transcript(text, self.name, ms, min(confidence, 1.0))

    def _load(self) -> WhisperModel:
        from faster_whisper import WhisperModel

        if not self._folder.is_dir():
            raise ModelError(f"There is no speech model in {self._folder}", f"download it with: otto models pull {self._folder.name}")
        missing = [pattern for pattern in _NEEDED if not any(file.stat().st_size for file in self._folder.glob(pattern))]
        if missing:
            raise ModelError(f"The speech model in {self._folder} is damaged: {', '.join(missing)} is missing or empty", self._mend)
        try:
            return WhisperModel(str(self._folder), device="cpu", compute_type="int8", local_files_only=True)
        except Exception as error:  # noqa: BLE001  tokenizers raises bare Exception for a damaged file, json and CTranslate2 their own
            raise ModelError(f"The speech model in {self._folder} is damaged ({error})", self._mend) from None
