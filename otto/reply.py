"""Spoken replies: a text is cut into sentences, and the first is heard while the next is being synthesised."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from otto.audio.speaker import Speaker
from otto.errors import OttoError
from otto.log import LOGGER
from otto.messages import Sound
from otto.tts.base import ReplyEngine
from otto.tts.sentences import sentences, speakable

if TYPE_CHECKING:
    from typing_extensions import Self

_LOOK = 0.02  # seconds between two looks at a speaker that is busy
_AHEAD = 20.0  # seconds of sound that may wait in the speaker before the next sentence is synthesised


class Voice:
    """Speaks replies. A context manager; without an engine or a loudspeaker that works it is silent, and says why once.

    Args:
        engine: makes sentences into sound; None is silence.
        speaker: where they are heard.
        warn: told in one sentence, once for each, what kept a reply from being spoken.
    """

    def __init__(self, engine: ReplyEngine | None, speaker: Speaker, warn: Callable[[str], None] = LOGGER.warning) -> None:
        self._engine = engine
        self._speaker = speaker
        self._warn = warn
        self._warned: set[str] = set()
        self._changed = threading.Condition()
        self._waiting: deque[str | Sound] = deque()
        self._working = False  # a sentence has been taken and is not yet in the speaker
        self._turn = 0  # counts the calls of `stop`: what was begun before the last one is not heard
        self._closed = False
        self._worker: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def speaking(self) -> bool:
        """Whether a reply is being spoken or is about to be."""
        return bool(self._waiting) or self._working or self._speaker.busy

    def say(self, text: str) -> None:
        """Speak a text after all that is being spoken, and return at once."""
        if self._engine is not None:
            self._queue([part for part in map(speakable, sentences(text)) if part])

    def play(self, sound: Sound) -> None:
        """Play a sound, such as a chime, after all that is being spoken, and return at once."""
        self._queue([sound])

    def stop(self) -> None:
        """Be silent at once, and forget the rest."""
        with self._changed:
            self._turn += 1
            self._waiting.clear()
            self._changed.notify_all()
        self._speaker.stop()
        if self._working and self._engine is not None:
            self._engine.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all has been spoken, at most `timeout` seconds; returns whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.speaking, timeout)

    def close(self) -> None:
        """Be silent and end; nothing that was started goes on."""
        self._closed = True
        self.stop()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.join()

    def _queue(self, parts: Sequence[str | Sound]) -> None:
        with self._changed:
            if self._closed or not parts:
                return
            self._waiting.extend(parts)
            self._changed.notify_all()
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="voice", daemon=True)
                self._worker.start()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            part, turn = taken
            try:
                self._speak(part, turn)
            except OttoError as error:
                self._give_up(str(error), turn)
            except Exception as error:  # noqa: BLE001  a voice that breaks must not end what it speaks for
                self._give_up(f"The reply cannot be spoken ({type(error).__name__}: {error}).", turn)
            with self._changed:
                self._working = False

    def _next(self) -> tuple[str | Sound, int] | None:
        """Wait for what is to be spoken next, and look after the speaker until then; None at the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                try:
                    silent = self._speaker.wait(0)
                except OttoError as error:
                    self._give_up(str(error), self._turn)
                    continue
                if silent:
                    self._changed.notify_all()
                self._changed.wait(None if silent else _LOOK)
            if self._closed:
                return None
            self._working = True
            return self._waiting.popleft(), self._turn

    def _speak(self, part: str | Sound, turn: int) -> None:
        self._speaker.open()  # its slow start passes while the sentence is being made
        sound = part if isinstance(part, Sound) else self._synthesized(part)
        while self._speaker.seconds_waiting > _AHEAD and turn == self._turn:
            self._speaker.wait(_LOOK)
        if turn == self._turn:
            self._speaker.play(sound)
        if turn != self._turn:
            self._speaker.stop()

    def _synthesized(self, sentence: str) -> Sound:
        assert self._engine is not None, "without one, no sentence is queued"
        return self._engine.synthesize(sentence)

    def _give_up(self, sentence: str, turn: int) -> None:
        """Leave the rest of the reply to the screen."""
        with self._changed:
            if turn != self._turn:  # it was stopped, and an engine that is cut off complains
                return
            self._waiting.clear()
        if sentence not in self._warned:
            self._warned.add(sentence)
            self._warn(sentence)
