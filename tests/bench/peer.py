"""hassil on the same commands, in this process: what it learns and how it is asked are those of `otto eval bench`."""

from __future__ import annotations

from eval.peers.lesson import Lesson, plain_words
from eval.peers.worker import hassil
from otto.call import Call
from otto.registry import Registry
from otto.skill import OTHER


class Hassil:
    """Its best match as a call.

    Args:
        registry: the skills, with the examples that templates may be written from.
        closed: a slot takes the values that the examples say, and its type's samples; otherwise any words (a wildcard). Free text is
            a wildcard in both.
    """

    def __init__(self, registry: Registry, closed: bool) -> None:
        self._lesson = Lesson.of(registry)
        self.templates = sum(len(intent.templates) for intent in self._lesson.intents)
        self._answer = hassil(self._lesson.to_json("hassil"), closed)

    def route(self, text: str) -> Call:
        """The call of the best match, `other()` where there is none."""
        intent, values = self._answer(plain_words(text))
        return Call(OTHER) if intent is None else self._lesson.call(text, intent, values)
