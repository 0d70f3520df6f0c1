"""The one interface of all reply engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otto.messages import Sound

if TYPE_CHECKING:
    from typing_extensions import Self

    from otto.config import Settings


class ReplyEngine(Protocol):
    """Speaks a sentence into a Sound; who plays it is another's business."""

    name: str

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The engine with the voice of the settings. Raises ModelError if its program or its voice is not on this machine."""
        ...

    def synthesize(self, sentence: str) -> Sound:
        """Speak one sentence. Raises AudioError if that fails, takes too long, or is cancelled."""
        ...

    def cancel(self) -> None:
        """End a `synthesize` that is going on in another thread."""
        ...
