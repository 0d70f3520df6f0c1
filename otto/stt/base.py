"""The one interface of all speech engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance

if TYPE_CHECKING:
    from typing_extensions import Self

    from otto.config import Settings
    from otto.registry import Registry


class SpeechEngine(Protocol):
    """Turns an utterance into text, or says by name that there was none to be had."""

    name: str

    @classmethod
    def open(cls, registry: Registry, settings: Settings) -> Self:
        """The engine for the installed skills. Raises ModelError if what it needs is missing or damaged."""
        ...

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        """Recognise one utterance.

        Args:
            utterance: the sound.
            expected: all that may be said, in place of the skills' phrases: the answers to a question. An engine that takes free
                speech prefers them.

        Raises:
            ModelError: the engine's model turns out to be damaged.
        """
        ...

    def partial(self, utterance: Utterance) -> str:
        """The words so far of a sentence that is still being spoken, to show; "" where there are none. Raises ModelError as `transcribe`."""
        ...
