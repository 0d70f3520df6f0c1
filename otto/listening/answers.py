"""Answers to a question, as people say them: yes, no, one of several, never mind."""

from __future__ import annotations

from collections.abc import Sequence

from otto.control import PHRASES, Control, read_control
from otto.fillers import without_fillers
from otto.jsgf import answer_grammar
from otto.messages import SpeechGrammar
from otto.types.words import number_in
from otto.words import normal_text

YES = (
    "yes", "yeah", "yep", "yup", "sure", "yes do it", "do it", "go ahead", "okay", "ok", "of course", "correct", "right", "that's right",
    "exactly", "confirm", "absolutely", "yes i do", "yes i did",
)  # fmt: skip
NO = ("no", "nope", "nah", "don't", "no don't", "do not", "don't do it", "no thanks", "wrong", "that's wrong", "stop", "not now")
_PLACES = (("first", "former"), ("second", "latter"), ("third",), ("fourth",))
_AROUND = {"the", "one", "i", "mean", "meant", "said", "say", "it", "is", "was", "a", "an", "of", "for", "please", "option", "number"}


def yes_no(text: str) -> bool | None:
    """Yes or no; None where it is neither."""
    words = _words(text)
    for first, last in without_fillers(words):
        phrase = " ".join(words[first:last])
        if phrase in YES or phrase in NO:
            return phrase in YES
    return words[0] in YES if words and words[0] in (*YES, *NO) else None


def chosen(text: str, options: Sequence[str]) -> int | None:
    """Which of the options was chosen, by its words ("fifty", "fifty minutes") or its place ("the second one"); None where that is open."""
    said = _content(text)
    names = [_content(option) for option in options]
    shared = set.intersection(*names) if names else set()
    scores = [len(said & (words - shared)) for words in names]
    best = max(scores, default=0)
    if best:
        return scores.index(best) if scores.count(best) == 1 else None
    places = [index for index, ordinals in enumerate(_PLACES[: len(options)]) if set(_words(text)) & set(ordinals)]
    return places[0] if len(places) == 1 else None


def is_cancelled(text: str) -> bool:
    """Whether the speaker wants nothing of it."""
    asked = read_control(text)
    return asked is not None and asked.control in (Control.CANCEL, Control.STOP)


def yes_no_grammar() -> SpeechGrammar:
    """All that answers a yes-or-no question."""
    return answer_grammar((*YES, *NO, *PHRASES[Control.CANCEL]))


def choice_grammar(options: Sequence[str]) -> SpeechGrammar:
    """All that answers a question for one of the options; each is words that can be said."""
    places = [f"the {words[0]}{tail}" for words in _PLACES[: len(options)] for tail in ("", " one")]
    parts = [word for option in options for word in _words(option) if word not in _AROUND]
    return answer_grammar((*options, *parts, *places, "yes", "no", *PHRASES[Control.CANCEL]))


def _content(text: str) -> set[str]:
    """The words that tell options apart, numbers as digits."""
    numbers = ((word, number_in(word)) for word in _words(text) if word not in _AROUND)
    return {word if number is None else str(number) for word, number in numbers}


def _words(text: str) -> list[str]:
    return normal_text(text).replace(" 's", "'s").split()
