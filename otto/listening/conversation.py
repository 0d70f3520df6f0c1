"""What is done about a sentence: a command becomes a turn, an answer goes to who asked, and talk about the conversation is obeyed.

Skills run in a thread of their own, one turn after another, so that Otto hears "stop" and the answers to its questions meanwhile.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from otto.assistant import Assistant, undo_last
from otto.control import Asked, Control, read_control
from otto.errors import NotConfirmed, OttoError
from otto.listening.answers import choice_grammar, chosen, is_cancelled, yes_no, yes_no_grammar
from otto.listening.correction import corrected
from otto.listening.doubt import Doubt, doubt_of
from otto.listening.early import EarlyStart
from otto.listening.events import Announced, Event, Ignored, Said, TurnDone, Warned
from otto.listening.hearing import Heard, Mark
from otto.messages import NotRecognized, Reading, Result, SpeechGrammar, Transcript, Turn
from otto.phrases import PhraseBook

CANCELLED = "Okay, nothing was done."
AGAIN = "Sorry, I did not get that."
MISSES = 2  # answers that are not understood before a question is given up


class Speaks(Protocol):
    """What a conversation needs of a voice."""

    @property
    def speaking(self) -> bool: ...

    def say(self, text: str) -> None: ...

    def stop(self) -> None: ...


class Question:
    """Asked by the thread of the turn, which waits; answered by the thread that listens."""

    def __init__(self, text: str, expected: SpeechGrammar | None) -> None:
        self.text = text
        self.expected = expected
        self.misses = 0
        self.asked = 0.0  # time.monotonic() at which it was asked
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def answer(self, text: str | None) -> None:
        self._answers.put(text)

    def wait(self) -> str | None:
        return self._answers.get()


@dataclass(frozen=True)
class _Job:
    """Work for the thread of the turns."""

    run: Callable[[], None]
    cancelled: threading.Event = field(default_factory=threading.Event)  # the speaker wants nothing more of it


class Conversation:
    """One speaker and one assistant.

    Args:
        assistant: does the commands.
        voice: speaks the replies.
        show: told what happens, from several threads.
        dry_run: stop before the skills; nothing is kept.
        overheard: whether people may talk who do not mean Otto: what is no command is then neither asked about nor kept.
        missed: told, in the listening thread, that something was said to Otto of which nothing came, and nothing is said.
    """

    def __init__(
        self,
        assistant: Assistant,
        voice: Speaks,
        show: Callable[[Event], None],
        *,
        dry_run: bool = False,
        overheard: bool = False,
        missed: Callable[[], None] = lambda: None,
    ) -> None:
        self._assistant = assistant
        self._voice = voice
        self._show = show
        self._dry_run = dry_run
        self._overheard = overheard
        self._missed = missed
        self._book = PhraseBook.open(assistant.registry, assistant.settings.paths.cache)
        self._early = EarlyStart(assistant)
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # for the listening thread
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # for the thread of the turns
        self._undone: deque[_Job] = deque()  # those that are not done
        self._job: _Job | None = None  # the one under way
        self._last: Turn | None = None
        self._reply = ""
        self._warned: set[str] = set()
        self.question: Question | None = None
        self.turns = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="turns", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a turn is under way."""
        return bool(self._undone)

    def awaits(self, heard: Heard) -> bool:
        """Whether a sentence can be the answer to the question that is open: one that had begun before it was asked is none."""
        return self.question is not None and heard.began >= self.question.asked

    def hears(self, heard: Heard, only_about: bool = False) -> bool:
        """Take a sentence; return whether it was meant for Otto.

        Args:
            heard: the sentence.
            only_about: obey nothing but talk about the conversation ("undo that"): no wake word came before.
        """
        if self.awaits(heard):
            self._take_answer(heard.reading)
            return True
        asked = read_control(heard.reading.text) if isinstance(heard.reading.heard, Transcript) else None
        if asked and self._obeys(asked):
            return True
        if only_about:
            return False
        route = heard.reading.route
        if (route is None or not route.acts) and (self._overheard or route is None):
            why = heard.reading.heard.reason if isinstance(heard.reading.heard, NotRecognized) else "no command"
            self._show(Ignored(heard.reading.text, why))
            if not self._overheard and heard.reading.text:
                self._missed()
            return False
        self._do(lambda: self._turn(heard))
        return True

    def prepare(self, mark: Mark, reading: Reading) -> None:
        """A sentence may be over: begin what changes nothing."""
        if not self._dry_run and not self.busy and self.question is None:
            self._early.prepare(mark, reading)

    def tell(self, text: str) -> None:
        """Say something, from any thread."""
        self._say(text)

    def announce(self, text: str) -> None:
        """Tell what has come due, from any thread."""
        self._show(Announced(text))
        self._voice.say(text)

    def warn(self, sentence: str) -> None:
        """Show what does not work, once for each sentence, from any thread."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            self._show(Warned(sentence))

    def ask(self, question: str, expected: SpeechGrammar | None = None) -> str | None:
        """Ask and wait for the answer, in the thread of the turn; None where there is none, or the speaker wants nothing of it."""
        asked = Question(question, expected)
        self._post(lambda: self._open(asked))
        return None if self._closed else asked.wait()

    def confirm(self, question: str) -> bool:
        """Ask yes or no, in the thread of the turn; silence is no."""
        for text in (question, f"Please say yes or no. {question}"):
            answer = self.ask(text, yes_no_grammar())
            if answer is None:
                return False
            if (agreed := yes_no(answer)) is not None:
                return agreed
        return False

    def give_up_question(self) -> None:
        """Nobody answers."""
        self._resolve(None)

    def run_posted(self) -> None:
        """Do what other threads have for this one. Called by the listening thread at each frame."""
        while not self._posted.empty():
            self._posted.get()()

    def close(self) -> None:
        """End: a question gets no answer, and a skill that runs is left behind."""
        self._closed = True
        self._resolve(None)
        self._cancel()
        self._jobs.put(None)
        self._thread.join(0.2)

    def _turn(self, heard: Heard) -> None:
        reading, sure = self._without_doubt(heard.reading)
        if not sure:
            self.tell(CANCELLED)
            return
        timings = {**reading.timings, "response": (time.monotonic() - heard.spoken_until) * 1000}
        done = self._early.results(heard.reading) if reading is heard.reading else ()
        if self._job and self._job.cancelled.is_set():  # what was begun early was stopped with it, and must not be begun again
            self.tell(CANCELLED)
            return
        turn = self._assistant.act(replace(reading, timings=timings), heard.utterance, self._dry_run, done)
        self._post(lambda: self._finish(turn, heard.utterance.seconds, heard.early))

    def _without_doubt(self, reading: Reading) -> tuple[Reading, bool]:
        """The reading that is meant; False where the speaker wants none of them."""
        if self._dry_run:
            return reading, True
        doubt = doubt_of(reading, self._assistant.router.route, self._assistant.registry, self._book)
        if doubt is None:
            return reading, True
        if not doubt.options:
            return replace(reading, route=doubt.routes[0]), self.confirm(doubt.question)
        index = self._choice(doubt)
        return (reading, False) if index is None else (replace(reading, route=doubt.routes[index]), True)

    def _choice(self, doubt: Doubt) -> int | None:
        for _ in range(MISSES):
            answer = self.ask(doubt.question, _grammar(doubt))
            if answer is None:
                return None
            if (index := chosen(answer, doubt.options)) is not None:
                return index
        return None

    def _finish(self, turn: Turn, seconds: float, early: bool) -> None:
        self.turns += 1
        acted = turn.route is not None and turn.route.acts
        if acted:
            self._last = turn
        self._show(TurnDone(turn, seconds, early))
        self._reply = " ".join(_spoken(result) for result in turn.results if result.speech)
        unsaid = " ".join(_spoken(result) for result in turn.results if result.speech and not result.said)
        if unsaid:
            self._voice.say(unsaid)
        elif not acted and not self._reply:
            self._missed()

    def _obeys(self, asked: Asked) -> bool:
        """Do what a sentence about the conversation asks; False where it means nothing now, and may be a command."""
        control = asked.control
        if control in (Control.STOP, Control.CANCEL):
            if not (self._voice.speaking or self.busy):
                return False
            self._voice.stop()
            self._resolve(None)
            self._cancel()
        elif control is Control.REPEAT:
            self._say(self._reply or "I have not said anything yet.")
        elif control is Control.UNDO:
            self._do(self._undo)
        elif control is Control.CORRECT:
            if self._last is None:
                return False
            self._do(lambda: self._correct(asked.value))
        return True

    def _undo(self) -> None:
        entry, results = undo_last(self._assistant.history, self._assistant.dispatcher)
        self.tell(" ".join(result.speech for result in results) or f"Taken back: {entry.heard}.")

    def _correct(self, value: str) -> None:
        turn = self._last
        route = turn.route if turn else None
        call = corrected(route.calls[0], value, self._assistant.registry, self._assistant.router.route) if route and len(route.calls) == 1 else None
        if turn is None or route is None or call is None:
            self.tell(f"I cannot tell what {value} is to replace; say the whole command again.")
            return
        self._take_back(turn)
        if turn.id is not None:
            self._assistant.history.correct(turn.id, call)
        reading = Reading(Transcript(str(value), "correction", 0.0), replace(route, text=value, calls=(call,), confidence=1.0, engine="correction"))
        done = self._assistant.act(reading)
        self._post(lambda: self._finish(done, 0.0, early=False))

    def _take_back(self, turn: Turn) -> None:
        """Undo what was misheard, where it can be undone."""
        entry = self._assistant.history.undoable()
        if entry is not None and entry.id == turn.id:
            undo_last(self._assistant.history, self._assistant.dispatcher)

    def _open(self, question: Question) -> None:
        self._resolve(None)  # a skill may ask from two threads: who asked first gets no answer, but does not wait for ever
        if self._closed:
            question.answer(None)
            return
        question.asked = time.monotonic()
        self.question = question
        self._say(question.text)

    def _take_answer(self, reading: Reading) -> None:
        question = self.question
        assert question is not None
        if isinstance(reading.heard, NotRecognized):
            question.misses += 1
            if question.misses >= MISSES:
                self._resolve(None)
            else:
                self._say(f"{AGAIN} {question.text}")
            return
        self._resolve(None if is_cancelled(reading.text) else reading.text)

    def _resolve(self, answer: str | None) -> None:
        question, self.question = self.question, None
        if question is not None:
            question.answer(answer)

    def _say(self, text: str) -> None:
        self._show(Said(text))
        self._voice.say(text)

    def _post(self, work: Callable[[], None]) -> None:
        self._posted.put(work)

    def _do(self, run: Callable[[], None]) -> None:
        job = _Job(run)
        self._undone.append(job)
        self._jobs.put(job)

    def _cancel(self) -> None:
        """Stop what is under way, and forget what was to follow."""
        for job in self._undone:
            job.cancelled.set()
        self._assistant.dispatcher.cancel()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._job = job
                if not job.cancelled.is_set():
                    job.run()
            except OttoError as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001  one turn that breaks must not end all those after it
                self._fail(f"The command failed ({type(error).__name__}: {error}); see `otto history`.")
            finally:
                self._post(self._job_done)

    def _job_done(self) -> None:
        self._undone.popleft()

    def _fail(self, sentence: str) -> None:
        self._show(Warned(sentence))
        self._voice.say(sentence)


class VoiceHost:
    """Who skills talk through while Otto listens. The conversation is given to it when it is made: each needs the other."""

    conversation: Conversation | None = None

    def say(self, text: str) -> None:
        if self.conversation:
            self.conversation.tell(text)

    def ask(self, question: str) -> str | None:
        return self.conversation.ask(question) if self.conversation else None

    def confirm(self, question: str) -> bool:
        return self.conversation.confirm(question) if self.conversation else False


def _spoken(result: Result) -> str:
    return CANCELLED if isinstance(result.error, NotConfirmed) else result.speech


def _grammar(doubt: Doubt) -> SpeechGrammar | None:
    try:
        return choice_grammar(doubt.options)
    except ValueError:  # digits: an engine that writes them takes free speech
        return None
