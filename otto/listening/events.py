"""What happens while Otto listens, for whoever shows it: a screen, a log, a program."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import Protocol, TypeAlias

from otto.messages import Turn


class State(Enum):
    """What Otto is at."""

    IDLE = "idle"  # the microphone is closed
    WAITING = "waiting"  # for the wake word; nothing else is recognised
    ASLEEP = "asleep"  # until it is woken by voice or by Enter
    LISTENING = "listening"  # what is said now is meant for Otto
    HEARING = "hearing"  # somebody speaks
    WORKING = "working"  # a skill runs
    SPEAKING = "speaking"  # a reply is being spoken
    ASKING = "asking"  # a question waits for its answer


@dataclass(frozen=True)
class StateChanged:
    state: State
    microphone: bool  # whether it is open


@dataclass(frozen=True)
class Level:
    """How loud the microphone is, some ten times a second."""

    decibels: float  # dBFS, -96 to 0


@dataclass(frozen=True)
class Partial:
    """What has been understood of a sentence that is still being spoken."""

    text: str


@dataclass(frozen=True)
class TurnDone:
    turn: Turn
    seconds: float  # of sound
    early: bool  # what was read before the silence was over could be used


@dataclass(frozen=True)
class Ignored:
    """Something was said that was not meant for Otto, or is no command."""

    text: str
    reason: str


@dataclass(frozen=True)
class Said:
    """Otto says something beside the answer of a turn: a question, what has come due, "okay"."""

    text: str


@dataclass(frozen=True)
class Announced:
    """What has come due: a timer, an alarm."""

    text: str


@dataclass(frozen=True)
class Woken:
    word: str  # the wake word, or what else opened its ears: "Enter", "wake up"


@dataclass(frozen=True)
class Warned:
    """Something does not work; one sentence with the mend. Otto goes on."""

    sentence: str


@dataclass(frozen=True)
class Ended:
    """The sum of it."""

    turns: int
    helped: int  # readings made while the silence ran out that could be used
    wasted: int  # and those that were thrown away, for speech went on
    overflows: int  # times that sound was lost, for this machine was too busy


Event: TypeAlias = StateChanged | Level | Partial | TurnDone | Ignored | Said | Announced | Woken | Warned | Ended


class View(Protocol):
    """Shows what happens. Called by one thread at a time."""

    def show(self, event: Event) -> None: ...


class OneAtATime:
    """Passes events on to a view from any thread."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._lock = Lock()

    def show(self, event: Event) -> None:
        with self._lock:
            self._view.show(event)
