"""How much silence ends a sentence: little where it is a whole command, more where a part is still to come."""

from __future__ import annotations

from otto.control import read_control
from otto.messages import NotRecognized, Reading
from otto.phrases import PhraseBook
from otto.registry import Registry
from otto.words import normal_text

WHOLE, UNFINISHED, OPEN_END = 0.3, 1.3, 0.8  # seconds
_EXPECTING = frozenset(
    "a an the my your to for in at on of and or with from about into by set add open play what's what how is are than that if".split()
)  # words that hardly end a command


class Patience:
    """Tells by the words so far when a sentence is over.

    Args:
        registry: the skills.
        book: their phrases.
        usual: seconds of silence where the words tell nothing.
    """

    def __init__(self, registry: Registry, book: PhraseBook, usual: float) -> None:
        self._registry = registry
        self._book = book
        self._usual = usual

    def __call__(self, reading: Reading | None) -> float:
        """Seconds of silence after which the sentence is over."""
        if reading is None:
            return self._usual
        words = normal_text(reading.text).split()
        if read_control(reading.text):
            return min(WHOLE, self._usual)
        if reading.route and reading.route.acts:
            return max(OPEN_END, self._usual) if self._ends_openly(reading, words) else min(WHOLE, self._usual)
        if words and (words[-1] in _EXPECTING or self._book.begins(reading.text)):
            return max(UNFINISHED, self._usual)
        return min(WHOLE, self._usual) if isinstance(reading.heard, NotRecognized) and not words else self._usual

    def _ends_openly(self, reading: Reading, words: list[str]) -> bool:
        """Whether the sentence ends with a text of any words, such as a note, which may go on."""
        call = reading.route.calls[-1] if reading.route else None
        if call is None or reading.route is None or reading.route.engine == "phrases":
            return False
        spec = self._registry.get(call.name)
        tail = " ".join(words)
        return any(
            spec.parameter(name).plain is str and spec.parameter(name).spoken is None and tail.endswith(normal_text(str(value)))
            for name, value in call.arguments.items()
        )
