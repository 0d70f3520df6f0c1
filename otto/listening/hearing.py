"""From sound to understood sentences, ahead of time: while the silence after the words runs out, they are being read already."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from otto.audio.vad import Endpointer
from otto.errors import OttoError
from otto.messages import AudioFrame, Reading, SpeechGrammar, Utterance

AHEAD = 0.1  # seconds of silence after which the words so far are read
_LAST_WORD = 0.3  # seconds to wait at the end for the thread: it may be in the middle of a sentence
PARTIAL = 0.7  # seconds of speech between two looks at an unfinished sentence


class Understands(Protocol):
    """What reads sentences: an `Assistant`. All of it may take its time, and raise OttoError."""

    def understand(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Reading: ...

    def partial(self, utterance: Utterance) -> str: ...


@dataclass(frozen=True)
class Heard:
    """A sentence from end to end."""

    utterance: Utterance
    reading: Reading
    began: float  # time.monotonic() of its first sound
    spoken_until: float  # and of its last
    early: bool  # it was read, or being read, before the silence was over


Mark: TypeAlias = "tuple[int, float]"  # number of the sentence, and the seconds of its speech: more speech makes a reading stale


@dataclass(frozen=True)
class _Job:
    mark: Mark
    utterance: Utterance
    expected: SpeechGrammar | None
    partial: bool = False  # somebody still speaks: the words so far are enough


@dataclass(frozen=True)
class _Sentence:
    job: _Job
    began: float
    spoken_until: float
    early: bool


class Hearing:
    """Cuts sound into sentences and has each read in a thread of its own.

    Args:
        reader: reads utterances.
        patience: the seconds of silence that end a sentence, by what was read of it so far (None: nothing yet).
        ahead: whether to read while the silence is running out and while somebody speaks.
    """

    def __init__(self, reader: Understands, patience: Callable[[Reading | None], float], ahead: bool = True) -> None:
        self._patience = patience
        self._ahead = ahead
        self._endpointer = Endpointer(trailing_silence=patience(None))
        self._reader = _Reader(reader)
        self._sentences: deque[_Sentence] = deque()  # over, and not yet read
        self._number = 0  # of the sentence that is going on
        self._asked: Mark | None = None  # of the last job for it
        self._read_ahead = False  # the last job was made in the silence
        self._began = self._spoken_until = 0.0
        self.expected: SpeechGrammar | None = None
        self.helped = self.wasted = 0  # readings made in the silence that could be used, and that speech made stale

    @property
    def speaking(self) -> bool:
        """Whether a sentence has begun and is not over."""
        return self._endpointer.speaking

    @property
    def speech(self) -> float:
        """Seconds of speech in the sentence that is going on."""
        return self._endpointer.speech

    @property
    def pending(self) -> bool:
        """Whether a sentence that is over is still being read."""
        return bool(self._sentences)

    @property
    def mark(self) -> Mark:
        """Tells the sentence that is going on, as far as it has been spoken, from all others."""
        return self._number, self._endpointer.speech

    @property
    def words(self) -> str:
        """What has been read of the sentence that is going on, which may have gone on since; "" where nothing has."""
        return self._reader.words_of(self._number) if self.speaking and self._asked else ""

    @property
    def settled(self) -> Reading | None:
        """What was read of all that has been said of it; None while there is speech that it lacks."""
        return self._reader.result(self.mark) if self._asked == self.mark else None

    def push(self, frame: AudioFrame) -> Heard | None:
        """Take the next 32 ms; return a sentence that has been read.

        Raises:
            OttoError: the speech engine or the router cannot work.
        """
        self._endpointer.trailing_silence = self._patience(self.settled)
        before = self.mark
        done = self._endpointer.push(frame)
        if done is not None:
            self._end(done, before)
        elif self.speaking:
            self._go_on(before)
        elif before[1]:  # a click
            self._begin_anew()
        return self._next()

    def flush(self) -> Heard | None:
        """The sound has ended: wait for what is still being read, and return it. Raises OttoError."""
        before = self.mark
        if (done := self._endpointer.flush()) is not None:
            self._end(done, before)
        if self._sentences:
            self._reader.wait(self._sentences[0].job.mark)
        return self._next()

    def rest(self) -> None:
        """Wait until all that was asked has been read: for sound that comes faster than it was spoken."""
        self._reader.wait_until_idle()

    def drop(self, pending: bool = True) -> None:
        """Forget what is being said and, unless `pending` is False, what has been said and is still being read."""
        self._endpointer.drop()
        if pending:
            self._sentences.clear()
            self._reader.clear()
        self._begin_anew()

    def close(self) -> None:
        """End the thread, after what it is at."""
        self._reader.close()

    def _go_on(self, before: Mark) -> None:
        mark, silence = self.mark, self._endpointer.silence
        if not before[1]:
            self._began = time.monotonic()
        if not silence:
            self._spoken_until = time.monotonic()
        if self._read_ahead and mark != before:
            self._read_ahead = False
            self.wasted += 1
        in_silence = silence >= AHEAD
        if not self._ahead or (self._asked == mark and self._read_ahead == in_silence):
            return
        unread = mark[1] - (self._asked[1] if self._asked else 0.0)
        if in_silence or (unread >= PARTIAL and self._reader.idle):
            self._read(mark, in_silence)

    def _read(self, mark: Mark, in_silence: bool) -> None:
        utterance = self._endpointer.so_far()
        if utterance is not None:
            self._asked, self._read_ahead = mark, in_silence
            self._reader.ask(_Job(mark, utterance, self.expected, partial=not in_silence))

    def _end(self, done: Utterance, mark: Mark) -> None:
        early = self._asked == mark and self._read_ahead
        self.helped += early
        job = _Job(mark, done, self.expected)
        if early:
            self._reader.keep(mark)
        else:
            self._reader.ask(job, must=True)
        self._sentences.append(_Sentence(job, self._began, self._spoken_until, early))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._number += 1
        self._asked, self._read_ahead = None, False
        self._reader.guess_no_more()

    def _next(self) -> Heard | None:
        if not self._sentences:
            return None
        sentence = self._sentences[0]
        reading = self._reader.result(sentence.job.mark)
        if reading is None:
            return None
        self._sentences.popleft()
        self._reader.forget(sentence.job.mark)
        return Heard(sentence.job.utterance, reading, sentence.began, sentence.spoken_until, sentence.early)


class _Reader:
    """Reads one job after another in a thread. Of the jobs that are only guesses, the newest; those that must be read, all, and first."""

    def __init__(self, reader: Understands) -> None:
        self._reader = reader
        self._changed = threading.Condition()
        self._must: deque[_Job] = deque()
        self._guess: _Job | None = None
        self._at: _Job | None = None
        self._results: dict[Mark, Reading | OttoError] = {}
        self._words = (0, "")  # number of the sentence that was last looked at, and its words as far as they are known
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        return not (self._at or self._guess or self._must)

    def ask(self, job: _Job, must: bool = False) -> None:
        with self._changed:
            if must:
                self._must.append(job)
            else:
                self._guess = job
            self._changed.notify_all()

    def words_of(self, sentence: int) -> str:
        """The words of the sentence with this number, as far as they are known."""
        number, words = self._words
        return words if number == sentence else ""

    def guess_no_more(self) -> None:
        """The sentence that was guessed at is over, or forgotten: what must be read next need not wait for another look at it."""
        with self._changed:
            self._guess = None

    def clear(self) -> None:
        """Nothing of what was asked is wanted any more."""
        with self._changed:
            self._must.clear()
            self._guess = None
            self._results.clear()

    def keep(self, mark: Mark) -> None:
        """A guess has turned out to be the whole sentence: it must be read now."""
        with self._changed:
            if self._guess and self._guess.mark == mark:
                self._must.append(self._guess)
                self._guess = None

    def result(self, mark: Mark) -> Reading | None:
        """The reading, None where it is not there yet. Raises OttoError where it failed."""
        found = self._results.get(mark)
        if isinstance(found, OttoError):
            raise found
        return found

    def forget(self, mark: Mark) -> None:
        """Forget the readings up to this one."""
        with self._changed:
            self._results = {other: reading for other, reading in self._results.items() if other > mark}

    def wait(self, mark: Mark) -> None:
        with self._changed:
            self._changed.wait_for(lambda: mark in self._results or self._closed)

    def wait_until_idle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.idle or self._closed)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_LAST_WORD)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._must or self._guess or self._closed)
                if self._closed:
                    return
                if self._must:
                    job = self._must.popleft()
                else:
                    assert self._guess
                    job, self._guess = self._guess, None
                self._at = job
            result = self._read(job)
            with self._changed:
                self._words = job.mark[0], result if isinstance(result, str) else result.text if isinstance(result, Reading) else ""
                if not isinstance(result, str):
                    self._results[job.mark] = result
                self._at = None
                self._changed.notify_all()

    def _read(self, job: _Job) -> Reading | str | OttoError:
        try:
            return self._reader.partial(job.utterance) if job.partial else self._reader.understand(job.utterance, job.expected)
        except OttoError as error:
            return error
        except Exception as error:  # noqa: BLE001  an engine that breaks must not end the listening
            what = f"The sentence cannot be understood ({type(error).__name__}: {error})"
            return OttoError(what, "try again, or choose another engine: otto config set stt.engine NAME")
