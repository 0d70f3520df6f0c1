"""The one interface of all speech engines."""

from __future__ import annotations

from typing import Protocol

from otto.messages import NotRecognized, Transcript, Utterance


class SpeechEngine(Protocol):
    """Turns an utterance into text, or says by name that there was none to be had."""

    name: str

    def transcribe(self, utterance: Utterance) -> Transcript | NotRecognized:
        """Recognise one utterance. Raises ModelError if the engine's model turns out to be damaged."""
        ...
