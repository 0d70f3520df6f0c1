"""Runs a router over cases: what it answers is written down a case at a time."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol

from eval.cache import AnswerCache, Keys, route_from_json, route_to_json
from eval.cases import Case
from eval.journal import Journal
from eval.scoring import Verdict, judge_route
from eval.skillset import Skillset
from otto.call import Call
from otto.errors import MissingExtra, NetworkError, OttoError
from otto.messages import Route
from otto.router.base import Router
from otto.skill import OTHER, SkillSpec

Judge = Callable[[Case, Route, Mapping[str, SkillSpec]], Verdict]  # a route without calls: the router could not answer
FAILURES = 3  # cases in a row that a router cannot answer, after which the fault is not the cases'
LONGEST_WAIT = 30.0  # seconds between two attempts
LEARNING_SECONDS = 900.0  # that a router may take to learn the skills
ANSWER_CHARACTERS = 2000  # of an invalid answer that are kept
UNKNOWN = 0.5  # the confidence of other() where nothing was recognised: nothing is known
PROCESS_CPU = "process_cpu"  # in the timings of a route: the milliseconds of an engine that works in a process of its own
_LOOK = "mend that, or take the cases out, or choose another --router"
PAUSE = " … "  # between the utterances of one recording


@dataclass(frozen=True)
class Heard:
    """What speech to text made of a recording."""

    texts: tuple[str, ...]  # of each utterance that was recognised
    ms: float  # in speech to text


class Ear(Protocol):
    """Speech to text for the cases that are recordings."""

    def hear(self, case: Case) -> Heard:
        """Raises AudioError, ModelError."""
        ...


@dataclass(frozen=True)
class Pace:
    """How hard a server may be pressed."""

    concurrency: int = 1
    attempts: int = 5  # at one case, before the run ends
    first_wait: float = 1.0  # seconds; each further wait is twice as long, at random
    requests: int | None = None  # the budget of this call
    tokens: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a router made of a case."""

    case: Case
    route: Route
    wall: float  # milliseconds in the router
    cpu: float  # milliseconds of processor time in it
    heard: str | None = None  # of a recording
    stt: float | None = None  # milliseconds of speech to text
    error: str | None = None  # why the router could not answer; the route is empty then
    load: float | None = None  # of the first case of a process: milliseconds until the router was ready
    cached: bool = False


class Runner:
    """Cases in, rows in the journal out."""

    def __init__(
        self,
        open_router: Callable[[], Router],
        skillset: Skillset,
        journal: Journal,
        *,
        pace: Pace | None = None,
        ear: Ear | None = None,
        cache: tuple[AnswerCache, Keys] | None = None,
        judge: Judge = judge_route,
    ) -> None:
        """`open_router` is called once a thread."""
        self._open_router = open_router
        self._skillset = skillset
        self._journal = journal
        self._pace = pace or Pace()
        self._ear = ear
        self._cache = cache
        self._judge = judge
        self._local = threading.local()
        self._routers: list[Router] = []
        self._stop = threading.Event()
        self._failed: list[Answer] = []
        self._load: float | None = None

    def run(self, cases: Iterable[Case], progress: Callable[[dict[str, Any]], None] = lambda row: None) -> OttoError | None:
        """Answer the cases that the journal does not have yet. `progress` is given each row.

        Returns what ended the run before the last case, None where nothing did. All that was answered is in the journal then.

        Raises:
            OttoError: the router cannot be opened, or the journal cannot be written.
            KeyboardInterrupt: the user has stopped it; what was answered is in the journal.
        """
        done = {row["id"] for row in self._journal.rows}
        todo = [case for case in cases if case.id not in done]
        if not todo:
            return None
        started = time.perf_counter()
        self._local.router = self._opened()
        self._load = (time.perf_counter() - started) * 1000
        try:
            for answer in self._answers(todo):
                self._take(answer, progress)
            self._flush_failed(progress)
        except _Ended as end:
            return end.error
        return None

    def _answers(self, todo: Sequence[Case]) -> Iterator[Answer]:
        if self._pace.concurrency == 1:
            for case in todo:
                over = self._over_budget()
                if over:
                    raise _Ended(over)
                yield self._cached(case) or self._answer(case)
            return
        yield from self._answers_of_threads(deque(todo))

    def _answers_of_threads(self, todo: deque[Case]) -> Iterator[Answer]:
        """As many cases at a time as the pace allows. Where one ends the run, those under way are waited for and kept."""
        ended: BaseException | None = None
        with ThreadPoolExecutor(self._pace.concurrency) as pool:
            running: set[Future[Answer]] = set()
            try:
                while (todo and ended is None) or running:
                    while todo and ended is None and len(running) < self._pace.concurrency:
                        over = self._over_budget(len(running))
                        if over:
                            ended = None if running else _Ended(over)  # what is under way may cost less than it could
                            break
                        case = todo.popleft()
                        found = self._cached(case)
                        if found:
                            yield found
                        else:
                            running.add(pool.submit(self._answer, case))
                    finished, running = wait(running, return_when=FIRST_COMPLETED) if running else (set(), running)
                    for future in finished:
                        error = future.exception()
                        if error is None:
                            yield future.result()
                        else:
                            ended = ended or error
                            self._stop.set()
            finally:
                self._stop.set()  # nobody waits for an attempt that nobody reads
        if ended is not None:
            raise ended

    def _answer(self, case: Case) -> Answer:
        """Ask the router, again where the network fails. Raises _Ended where it goes on failing."""
        heard: str | None = None
        stt: float | None = None
        try:
            router = self._router_of(case)
            if case.audio is not None:
                assert self._ear is not None, "a recording needs an ear"
                found = self._ear.hear(case)
                heard, stt = PAUSE.join(found.texts), found.ms
                answer = _joined(case, [self._attempts(router, case, text) for text in found.texts])
            else:
                answer = self._attempts(router, case, case.text)
            return replace(answer, heard=heard, stt=stt, load=self._take_load())
        except (NetworkError, MissingExtra) as error:
            raise _Ended(error) from None
        except OttoError as error:
            return Answer(case, Route(case.text, (), 0.0, "", 0.0), 0.0, 0.0, heard, stt, str(error))
        except Exception as error:  # noqa: BLE001  a router is foreign code: what it raises for one case is that case's result
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            return Answer(case, Route(case.text, (), 0.0, "", 0.0), 0.0, 0.0, heard, stt, reason)

    def _attempts(self, router: Router, case: Case, text: str) -> Answer:
        if self._pace.attempts == 1 or not hasattr(router, "spent"):
            return _timed(router, case, text, self._clock)
        try:
            from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_when_event_set, wait_random_exponential
            from tenacity.nap import sleep_using_event
        except ModuleNotFoundError:
            raise MissingExtra("tenacity", "eval") from None
        retrying = Retrying(
            retry=retry_if_exception_type(NetworkError),
            stop=stop_after_attempt(self._pace.attempts) | stop_when_event_set(self._stop),
            wait=wait_random_exponential(multiplier=self._pace.first_wait, max=LONGEST_WAIT),
            sleep=sleep_using_event(self._stop),
            reraise=True,
        )
        answer: Answer = retrying(_timed, router, case, text, self._clock)
        return answer

    @property
    def _clock(self) -> Callable[[], float]:
        """Processor time in seconds: of the whole process with its engines' threads, or of this thread beside others."""
        return time.process_time if self._pace.concurrency == 1 else time.thread_time

    def _router_of(self, case: Case) -> Router:
        router: Router | None = getattr(self._local, "router", None)
        if router is None:
            router = self._local.router = self._opened()
        if self._skillset.varies:
            router.update(self._skillset.for_case(case))
            _wait_until_learnt(router)
        return router

    def _opened(self) -> Router:
        router = self._open_router()
        _wait_until_learnt(router)
        self._routers.append(router)
        return router

    def _take_load(self) -> float | None:
        load, self._load = self._load, None
        return load

    def _over_budget(self, running: int = 0) -> OttoError | None:
        """Why no further request is allowed, None where one is; each of those under way may cost one."""
        spent = [found for found in (getattr(router, "spent", None) for router in self._routers) if found is not None]
        requests, tokens = sum(item.requests for item in spent), sum(item.tokens for item in spent)
        again = "give the same command again to go on, or a larger one"
        if self._pace.requests is not None and requests + running >= self._pace.requests:
            return OttoError(f"The budget of {self._pace.requests} requests is spent", again)
        if self._pace.tokens is not None:
            if requests and not tokens and not running:
                return OttoError("The server does not report its tokens, so that no budget of them can be kept", "use --budget for requests")
            if tokens >= self._pace.tokens:
                return OttoError(f"The budget of {self._pace.tokens} tokens is spent", again)
        return None

    def _cached(self, case: Case) -> Answer | None:
        if self._cache is None or case.audio is not None:
            return None
        cache, keys = self._cache
        stored = cache.get(keys.key(self._skillset.for_case(case), case.text))
        if stored is None:
            return None
        return Answer(case, route_from_json(case.text, stored), stored["wall"], stored["cpu"], cached=True)

    def _take(self, answer: Answer, progress: Callable[[dict[str, Any]], None]) -> None:
        """Write an answer down. A failure waits until another case has succeeded: only then it was the case's own."""
        if answer.error is not None:
            self._failed.append(answer)
            if len(self._failed) >= FAILURES:
                raise _Ended(OttoError(f"The router failed at {FAILURES} cases in a row, the last time so: {answer.error.rstrip('.')}", _LOOK))
            return
        if self._cache is not None and answer.case.audio is None and not answer.cached:
            cache, keys = self._cache
            stored = {**route_to_json(answer.route), "wall": answer.wall, "cpu": answer.cpu}
            cache.put(keys.key(self._skillset.for_case(answer.case), answer.case.text), stored)
        self._write([*self._failed, answer], progress)

    def _flush_failed(self, progress: Callable[[dict[str, Any]], None]) -> None:
        """At the end: the last cases' failures are theirs if any case has succeeded."""
        if self._failed and not self._journal.rows:
            raise _Ended(OttoError(f"The router answered no case: {str(self._failed[-1].error).rstrip('.')}", _LOOK))
        self._write(self._failed, progress)

    def _write(self, answers: Sequence[Answer], progress: Callable[[dict[str, Any]], None]) -> None:
        for answer in answers:
            row = result_row(answer, self._skillset, self._judge)
            self._journal.append(row)
            progress(row)
        self._failed = []


def result_row(answer: Answer, skillset: Skillset, judge: Judge = judge_route) -> dict[str, Any]:
    """The row of results.jsonl of an answer (schemas/result.json)."""
    case, route = answer.case, answer.route
    verdict = judge(case, route, skillset.specs_of(case))
    ms = {"wall": answer.wall, "cpu": answer.cpu, "stt": answer.stt, "load": answer.load}
    said = route.invalid if route.invalid is not None else "; ".join(map(str, route.calls))
    return {
        "id": case.id,
        "text": case.text,
        "group": case.group,
        "source": case.source,
        "snr": case.snr,
        "heard": answer.heard,
        "gold": [[str(call) for call in calls] for calls in case.gold],
        "predicted": [str(call) for call in route.calls] if verdict.valid else [],
        **({} if verdict.valid else {"answer": said[:ANSWER_CHARACTERS]}),
        "valid": verdict.valid,
        "exact": verdict.exact,
        "correct": verdict.exact,
        "skill": verdict.skill,
        "arguments": {"tp": verdict.tp, "fp": verdict.fp, "fn": verdict.fn},
        "stray": case.stray,
        "false_call": verdict.false_call,
        "missed_call": verdict.missed_call,
        "confidence": min(1.0, max(0.0, route.confidence)),
        "engine": route.engine,
        "ms": {name: round(value, 3) for name, value in ms.items() if value is not None},
        "cold": answer.load is not None,
        "cached": answer.cached,
        "alternatives": [[str(call), confidence] for call, confidence in route.alternatives],
        "error": answer.error,
    }


class _Ended(Exception):
    """The run cannot go on."""

    def __init__(self, error: OttoError) -> None:
        super().__init__(error)
        self.error = error


def _timed(router: Router, case: Case, text: str, clock: Callable[[], float]) -> Answer:
    wall, cpu = time.perf_counter(), clock()
    route = router.route(text)
    wall_ms, cpu_ms = (time.perf_counter() - wall) * 1000, (clock() - cpu) * 1000
    return Answer(case, route, wall_ms, route.timings.get(PROCESS_CPU, cpu_ms))


def _joined(case: Case, answers: Sequence[Answer]) -> Answer:
    """The answers to the utterances of one recording as one: each is routed on its own, as in the room, and what any of them asks for is done."""
    if len(answers) == 1:
        return answers[0]
    if not answers:
        return Answer(case, Route("", (Call(OTHER),), UNKNOWN, "stt", 0.0), 0.0, 0.0)
    routes = [answer.route for answer in answers]
    calls = tuple(call for route in routes for call in route.calls if call.name != OTHER)
    route = Route(
        text=PAUSE.join(route.text for route in routes),
        calls=calls or (Call(OTHER),),
        confidence=math.prod(route.confidence for route in routes),
        engine=routes[0].engine,
        ms=sum(route.ms for route in routes),
        invalid=next((route.invalid for route in routes if route.invalid is not None), None),
    )
    return Answer(case, route, sum(answer.wall for answer in answers), sum(answer.cpu for answer in answers))


def _wait_until_learnt(router: Router) -> None:
    """Some routers answer with what they knew before while they learn new skills in the background: that is not to be measured."""
    until = time.monotonic() + LEARNING_SECONDS
    while getattr(router, "learning", False):
        if time.monotonic() > until:
            raise OttoError(f"The router {router.name} did not learn the skills in {LEARNING_SECONDS:.0f} s", "look at `otto doctor`")
        time.sleep(0.2)
