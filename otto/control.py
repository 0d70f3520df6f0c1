"""What is said to Otto about the conversation itself: stop, never mind, undo that, repeat that, no I said …, go to sleep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from otto.fillers import without_fillers
from otto.words import normal_text


class Control(Enum):
    """What a sentence asks of the conversation."""

    STOP = "stop"  # end the reply
    CANCEL = "cancel"  # drop the question, or what is under way
    UNDO = "undo"
    REPEAT = "repeat"
    CORRECT = "correct"  # one word was misheard
    SLEEP = "sleep"
    WAKE = "wake"


PHRASES: dict[Control, tuple[str, ...]] = {
    Control.STOP: ("stop", "stop it", "stop talking", "stop speaking", "be quiet", "quiet", "enough", "that's enough", "hush"),
    Control.CANCEL: ("never mind", "nevermind", "cancel", "cancel that", "forget it", "forget about it", "forget that"),
    Control.UNDO: ("undo that", "undo it", "undo", "undo the last one", "take that back"),
    Control.REPEAT: ("repeat that", "repeat it", "repeat", "say that again", "say it again", "what did you say", "come again", "pardon"),
    Control.SLEEP: ("go to sleep", "stop listening", "sleep now"),
    Control.WAKE: ("wake up",),
}
CORRECTIONS = ("no i said", "i said", "no i meant", "i meant", "no not that i said")
_BY_PHRASE = {phrase: control for control, phrases in PHRASES.items() for phrase in phrases}
_SPOKEN = "|".join(CORRECTIONS).replace(" ", r"\W+")
_CORRECTION = re.compile(rf"\W*(?:otto\W+)?(?:{_SPOKEN})\W+(\S.*?)[\s.!?]*", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """A control, and for a correction what was meant, as it was said."""

    control: Control
    value: str = ""


def read_control(text: str) -> Asked | None:
    """What a sentence asks of the conversation; None where it is a command or anything else.

    Only the whole sentence counts, less a lead-in and a tail ("otto, stop please"): "stop the music" is a command.
    """
    if correction := _CORRECTION.fullmatch(text.strip()):
        return Asked(Control.CORRECT, correction[1])
    words = normal_text(text).replace(" 's", "'s").split()
    for first, last in without_fillers(words):
        if control := _BY_PHRASE.get(" ".join(words[first:last])):
            return Asked(control)
    return None
