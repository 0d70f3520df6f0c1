"""The loop that runs all day: frames of sound in, turns out. It knows when Otto listens, and when it must not."""

from __future__ import annotations

import math
import queue
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from otto.control import Control, read_control
from otto.errors import OttoError
from otto.listening.conversation import Conversation, Speaks
from otto.listening.events import Ended, Event, Ignored, Level, Partial, State, StateChanged, View, Warned, Woken
from otto.listening.hearing import Heard, Hearing
from otto.messages import SAMPLE_RATE, AudioFrame

PATIENCE = 8.0  # seconds to begin to speak after the wake word, Enter or a question
AFTERWARDS = 6.0  # seconds after a reply in which "undo that" needs no wake word
BARGE_IN = 0.25  # seconds of speech that stop a reply
ASLEEP_AFTER = 600.0  # quiet seconds
_LOST = 0.2  # seconds that are missing between two frames: a sentence with such a hole is not understood
_LEVEL_EVERY = 3  # frames


class Mode(Enum):
    """What opens Otto's ears."""

    WAKE = "wake"  # the wake word
    PUSH = "push"  # Enter or a key; the microphone is closed until then
    CONTINUOUS = "continuous"  # nothing: all that is said may be a command


class Wakes(Protocol):
    """Hears the wake word (otto.audio.wakeword)."""

    def push(self, frame: AudioFrame) -> str | None: ...

    def reset(self) -> None: ...


class Cleans(Protocol):
    """Takes Otto's own voice out of what the microphone hears."""

    def clean(self, frame: AudioFrame) -> AudioFrame: ...


@dataclass(frozen=True)
class Ears:
    """What a listener hears with."""

    hearing: Hearing
    wake: Wakes | None = None
    echo: Cleans | None = None  # without it Otto is deaf while it speaks
    overflows: Callable[[], int] = lambda: 0


class Listener:
    """Listens until it is stopped.

    Args:
        ears: what hears.
        conversation: what is done about it.
        voice: speaks; while it does, what the microphone hears is taken for its echo first.
        view: shows what happens.
        mode: what opens Otto's ears.
        ring: tells the speaker something without a sentence: that Otto listens now ("wake"), goes to sleep ("sleep"), or that nothing came of
            what was said ("error"). Returns the seconds of a chime, through which a command that follows in one breath is heard: to a
            canceller it would be the end of what it plays; 0 for a word, or for nothing.
        asleep_after: quiet seconds after which Otto sleeps; 0 is never.
    """

    def __init__(
        self,
        ears: Ears,
        conversation: Conversation,
        voice: Speaks,
        view: View,
        mode: Mode,
        ring: Callable[[str], float] = lambda name: 0.0,
        asleep_after: float = ASLEEP_AFTER,
    ) -> None:
        self._ears = ears
        self._conversation = conversation
        self._voice = voice
        self._view = view
        self._mode = mode
        self._ring = ring
        self._asleep_after = asleep_after or math.inf
        self._pressed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._now = 0.0  # seconds of sound
        self._last_start: float | None = None  # of the frame before
        self._frames = 0
        self._open_until = math.inf if mode is Mode.CONTINUOUS else -1.0  # until when a sentence may be a command
        self._about_until = -1.0  # until when one may be about the conversation
        self._question_until = 0.0  # until when a question waits for somebody to speak
        self._quiet_since = 0.0
        self._chime_until = -1.0
        self._before_reply = (0, 0.0)  # the mark of what was heard last before a reply began
        self._asleep = False
        self._microphone = False
        self._state: StateChanged | None = None
        self._partial = ""
        self._stopped = False

    def press(self, what: str = "Enter") -> None:
        """Open Otto's ears, from any thread."""
        self._pressed.put(what)

    def chime(self, name: str) -> None:
        """Ring, in the listening thread; see `ring`."""
        self._chime_until = self._now + self._ring(name)

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._stopped = True
        self._pressed.put("")

    def run(self, open_microphone: Callable[[], AbstractContextManager[Iterator[AudioFrame]]]) -> None:
        """Listen until `stop`, or until the sound ends.

        Args:
            open_microphone: gives a context in which frames come. Opened anew for each conversation where a key opens the ears.

        Raises:
            AudioError: the microphone cannot be opened.
        """
        try:
            while not self._stopped:
                if self._mode is Mode.PUSH:
                    self._wait_for_key()
                    if self._stopped:
                        break
                with open_microphone() as frames:
                    ended = self._hear(frames)
                self._microphone = False
                self._show_state()
                if ended:
                    break
        finally:
            self._show(Ended(self._conversation.turns, self._ears.hearing.helped, self._ears.hearing.wasted, self._ears.overflows()))

    def step(self, frame: AudioFrame) -> None:
        """Take the next 32 ms."""
        self._microphone = True
        self._tell_time(frame)
        self._conversation.run_posted()
        while not self._pressed.empty():
            self._wake(self._pressed.get(), pressed=True)
        self._meter(frame)
        try:
            self._take(frame)
        except OttoError as error:
            self._ears.hearing.drop()
            self._show(Warned(str(error)))
        self._time_out()
        self._show_state()

    def wait(self) -> None:
        """There is no sound just now, as where the microphone is unplugged: what other threads have to say is heard all the same."""
        self._microphone = False
        self._conversation.run_posted()
        self._conversation.give_up_question()
        self._show_state()

    def _hear(self, frames: Iterator[AudioFrame]) -> bool:
        """Take frames until the conversation is over; returns whether the sound has ended for good."""
        for frame in frames:
            self.step(frame)
            if self._stopped:
                return True
            if self._mode is Mode.PUSH and self._is_over:
                return False
        while (heard := self._ears.hearing.flush()) is not None:
            self._take_sentence(heard)
        return True

    def _wait_for_key(self) -> None:
        """The microphone is closed. What other threads have to say is heard all the same."""
        self._show_state()
        while not self._stopped:
            try:
                what = self._pressed.get(timeout=0.1)
            except queue.Empty:
                self._conversation.run_posted()
                continue
            if what:
                self._wake(what)
                return

    @property
    def _is_over(self) -> bool:
        hearing, conversation = self._ears.hearing, self._conversation
        talking = hearing.speaking or hearing.pending or conversation.busy or conversation.question or self._voice.speaking
        return not talking and self._now > self._open_until

    def _tell_time(self, frame: AudioFrame) -> None:
        length = len(frame.samples) / SAMPLE_RATE
        gap = 0.0 if self._last_start is None else frame.start - self._last_start
        self._last_start = frame.start + length
        self._now += length + max(gap, 0.0)
        if abs(gap) > _LOST:
            self._ears.hearing.drop()
            if self._ears.wake:
                self._ears.wake.reset()

    def _take(self, frame: AudioFrame) -> None:
        heard = self._hearable(frame) if self._listens else None
        if self._ears.wake and (word := self._ears.wake.push(heard or frame)):
            self._wake(word)
            return
        if heard is None:
            return
        sentence = self._ears.hearing.push(heard)
        if self._is_barge_in():
            self._voice.stop()
            self._open_until = max(self._open_until, self._now + PATIENCE)
        if (reading := self._ears.hearing.settled) and self._accepts:
            self._conversation.prepare(self._ears.hearing.mark, reading)
        self._show_partial()
        if sentence is not None:
            self._take_sentence(sentence)

    def _is_barge_in(self) -> bool:
        """Whether somebody speaks against a reply. What was being said already when it began is not said against it."""
        number, speech = self._ears.hearing.mark
        if not self._voice.speaking:
            self._before_reply = number, speech
            return False
        before = self._before_reply[1] if self._before_reply[0] == number else 0.0
        return speech - before >= BARGE_IN

    def _hearable(self, frame: AudioFrame) -> AudioFrame | None:
        """The frame without Otto's own voice; None where that cannot be taken out."""
        if self._now < self._chime_until:
            return frame
        if self._ears.echo is not None:
            return self._ears.echo.clean(frame)
        return None if self._voice.speaking else frame

    @property
    def _accepts(self) -> bool:
        """Whether a sentence may be a command."""
        return not self._asleep and self._now <= self._open_until

    @property
    def _listens(self) -> bool:
        """Whether what is said is recognised at all."""
        if self._asleep:
            return self._ears.wake is None
        under_way = self._conversation.busy or self._conversation.question is not None or self._voice.speaking or self._ears.hearing.speaking
        return self._accepts or under_way or self._now <= self._about_until

    def _take_sentence(self, heard: Heard) -> None:
        asked = read_control(heard.reading.text)
        if self._asleep:
            if asked and asked.control is Control.WAKE:
                self._wake("wake up")
            return
        if asked and asked.control is Control.SLEEP and (self._accepts or self._now <= self._about_until):
            self._sleep()
            return
        only_about = not self._accepts and not self._conversation.awaits(heard)
        if not self._conversation.hears(heard, only_about):
            if only_about:
                self._show(Ignored(heard.reading.text, "no wake word"))
            return
        self._quiet_since = self._now
        if self._mode is not Mode.CONTINUOUS:
            self._open_until = -1.0

    def _wake(self, what: str, pressed: bool = False) -> None:
        if not what:
            return
        self._voice.stop()
        if not (self._accepts and pressed):  # who presses a key in the middle of a command goes on with it
            self._ears.hearing.drop(pending=not self._accepts)
        self._asleep = False
        self._quiet_since = self._now
        self._open_until = max(self._open_until, self._now + PATIENCE)
        self._show(Woken(what))
        self.chime("wake")

    def _sleep(self) -> None:
        self._asleep = True
        self._open_until = math.inf if self._mode is Mode.CONTINUOUS else -1.0
        self._about_until = -1.0
        self._ears.hearing.drop()
        self._conversation.give_up_question()
        self.chime("sleep")

    def _time_out(self) -> None:
        hearing, conversation = self._ears.hearing, self._conversation
        hearing.expected = conversation.question.expected if conversation.question else None
        if self._voice.speaking or conversation.busy or hearing.speaking or hearing.pending:
            self._quiet_since = self._now
            self._about_until = self._now + AFTERWARDS if self._mode is Mode.WAKE else -1.0
            if not math.isinf(self._open_until) and (hearing.speaking or hearing.pending) and self._accepts:
                self._open_until = max(self._open_until, self._now + 0.1)
        if conversation.question is None or self._voice.speaking or hearing.speaking or hearing.pending:
            self._question_until = self._now + PATIENCE
        elif self._now > self._question_until:
            conversation.give_up_question()
        if self._mode is Mode.CONTINUOUS and not self._asleep and self._now - self._quiet_since > self._asleep_after:
            self._sleep()

    def _meter(self, frame: AudioFrame) -> None:
        self._frames += 1
        if self._frames % _LEVEL_EVERY == 0:
            power = float(np.mean(np.square(frame.samples, dtype=np.float32))) / 32768**2
            self._show(Level(10 * math.log10(max(power, 1e-10))))

    def _show_partial(self) -> None:
        words = self._ears.hearing.words
        if words and words != self._partial:
            self._partial = words
            self._show(Partial(words))

    def _show_state(self) -> None:
        state = StateChanged(self._what(), self._microphone)
        if state != self._state:
            self._state = state
            self._partial = ""
            self._show(state)

    def _what(self) -> State:
        if not self._microphone and not (self._voice.speaking or self._conversation.busy):
            return State.IDLE
        if self._asleep:
            return State.ASLEEP
        if self._ears.hearing.speaking and self._listens:
            return State.HEARING
        if self._voice.speaking:
            return State.SPEAKING
        if self._conversation.question is not None:
            return State.ASKING
        if self._conversation.busy or self._ears.hearing.pending:
            return State.WORKING
        return State.LISTENING if self._accepts else State.WAITING

    def _show(self, event: Event) -> None:
        self._view.show(event)
