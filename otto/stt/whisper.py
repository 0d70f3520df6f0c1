"""faster-whisper: free speech, with a model that lies on this machine. What it makes of silence is taken for what it is."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from otto.errors import ModelError
from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.skill import OTHER
from otto.spoken import listing
from otto.stt.device import AUTO, COMPUTE, CPU, devices
from otto.stt.hallucination import FIRST_TOKENS, TOKENS_A_SECOND, Heard, doubt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment
    from typing_extensions import Self

    from otto.config import Settings
    from otto.registry import Registry

_SILENCE = 30  # of 32767, the loudest sample of what is no sound at all
_MOST_TOKENS = 120  # of a text; with the hot words, of which faster-whisper takes 223, and the prompt they fit into Whisper's 448
_NAMES = 20  # of skills in the prompt
_NEEDED = ("config.json", "model.bin", "tokenizer.json", "vocabulary.*")  # without tokenizer.json faster-whisper asks the hub


class WhisperEngine:
    """Recognises anything that is said, in one pass: beam 1, no second try at a higher temperature.

    It computes in int8 on the processor, in float16 on a graphics card.

    Args:
        folder: a CTranslate2 Whisper model. Nothing is ever downloaded.
        language: what is spoken, as a code such as "en".
        hotwords: names and words to expect ("Spotify, Kathmandu"); empty for none.
        prompt: a sentence as if it had been said before: what it is about and how it is written. It should be no command, for where
            nothing is said, Whisper may say it again.
        device: "cpu", "cuda", or "auto" for a graphics card where one can be used.

    Raises:
        ModelError: the folder is missing, lacks a file, or holds a damaged model; or there is no graphics card where one is asked for.
    """

    name = "whisper"

    def __init__(self, folder: str | Path, language: str = "en", hotwords: str = "", prompt: str = "", device: str = AUTO) -> None:
        self._folder = Path(folder)
        self._mend = f"download it anew with: otto models pull {self._folder.name}"
        self._language = language
        self._hotwords = hotwords
        self._prompt = prompt
        self._check()
        self.device, self._model = self._load(devices(device))

    @classmethod
    def open(cls, registry: Registry, settings: Settings) -> Self:
        """With the model of the settings, or another that is installed, and the words of the skills' phrases. Raises ModelError."""
        from otto.models import installed_whisper, model_path
        from otto.phrases import PhraseBook

        folder = model_path(settings, installed_whisper(settings) or settings.stt.model)
        hot_words = ", ".join(PhraseBook.open(registry, settings.paths.cache).hot_words())
        prompt = f"Spoken to Otto, who does {listing([name for name in registry.specs if name != OTHER][:_NAMES])}."
        return cls(folder, settings.stt.language, hot_words, prompt, settings.stt.device)

    def partial(self, utterance: Utterance) -> str:
        """The words so far. A second of sound costs Whisper as much as thirty: this is for machines that have the time."""
        heard = self.transcribe(utterance)
        return heard.text if isinstance(heard, Transcript) else ""

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        """Recognise one utterance; the words of the answers that are expected are its hot words. Raises ModelError if the model is damaged."""
        started = time.perf_counter()
        hotwords = ", ".join(expected.words) if expected else self._hotwords
        found = self._segments(utterance, hotwords) if _sounds(utterance) else []
        ms = (time.perf_counter() - started) * 1000
        heard = _heard(found, utterance.seconds)
        reason = doubt(heard, f"{hotwords} {self._prompt}") if _sounds(utterance) else "silence"
        if reason:
            return NotRecognized(reason, self.name, ms, heard.text)
        return Transcript(heard.text, self.name, ms, min(math.exp(heard.likelihood), 1.0))

    def _segments(self, utterance: Utterance, hotwords: str) -> Sequence[Segment]:
        try:
            segments, _ = self._model.transcribe(
                utterance.samples.astype(np.float32) / 32768,
                language=self._language if self._model.model.is_multilingual else "en",
                beam_size=1,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
                no_speech_threshold=None,  # what it says of itself is judged by `doubt`, all at once
                log_prob_threshold=None,
                compression_ratio_threshold=None,
                max_new_tokens=min(_MOST_TOKENS, round(TOKENS_A_SECOND * utterance.seconds) + FIRST_TOKENS + 1),
                initial_prompt=self._prompt or None,
                hotwords=hotwords or None,
            )
            return list(segments)  # the work is done here
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"The speech model in {self._folder} cannot be used ({error})", self._mend) from None

    def _check(self) -> None:
        if not self._folder.is_dir():
            raise ModelError(f"There is no speech model in {self._folder}", f"download it with: otto models pull {self._folder.name}")
        missing = [pattern for pattern in _NEEDED if not any(file.stat().st_size for file in self._folder.glob(pattern))]
        if missing:
            raise ModelError(f"The speech model in {self._folder} is damaged: {', '.join(missing)} is missing or empty", self._mend)

    def _load(self, candidates: Sequence[str]) -> tuple[str, WhisperModel]:
        """The model on the first device that it computes on, and that device."""
        from faster_whisper import WhisperModel

        for device in candidates:
            try:
                model = WhisperModel(str(self._folder), device=device, compute_type=COMPUTE[device], local_files_only=True)
                if device != CPU:
                    model.encode(np.zeros((model.feature_extractor.mel_filters.shape[0], 3000), np.float32))  # a card too full fails here
                return device, model
            except Exception as error:  # noqa: BLE001  tokenizers raises bare Exception for a damaged file, json and CTranslate2 their own
                fault = str(error)
        raise ModelError(f"The speech model in {self._folder} is damaged ({fault})", self._mend)


def _sounds(utterance: Utterance) -> bool:
    return bool(len(utterance.samples)) and int(np.abs(utterance.samples.astype(np.int32)).max()) > _SILENCE


def _heard(segments: Sequence[Segment], seconds: float) -> Heard:
    """All segments as one text; what Whisper thinks of them is weighed by their tokens."""
    tokens = sum(len(segment.tokens) for segment in segments)
    return Heard(
        text=" ".join(" ".join(segment.text for segment in segments).split()),
        seconds=seconds,
        tokens=tokens,
        likelihood=sum(segment.avg_logprob * len(segment.tokens) for segment in segments) / max(tokens, 1),
        no_speech=max((segment.no_speech_prob for segment in segments), default=1.0),
        compression=max((segment.compression_ratio for segment in segments), default=0.0),
    )
