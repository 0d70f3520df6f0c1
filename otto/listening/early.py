"""Starts what changes nothing before the speaker has surely finished: if speech goes on, its result is thrown away."""

from __future__ import annotations

import threading

from otto.assistant import Assistant
from otto.context import SilentHost
from otto.isolation import is_foreign
from otto.listening.hearing import Mark
from otto.messages import Reading, Result


class EarlyStart:
    """Runs the calls of a guess in a thread, and keeps their results for the sentence that turns out to be it.

    Only Otto's own skills that read and do nothing else, and ask nothing of the network: a word that was not meant leaves no trace.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._mark: Mark | None = None
        self._reading: Reading | None = None
        self._results: tuple[Result, ...] = ()
        self._thread: threading.Thread | None = None

    def prepare(self, mark: Mark, reading: Reading) -> None:
        """Begin with the calls of a reading, once for each."""
        if mark == self._mark or not self._harmless(reading) or (self._thread and self._thread.is_alive()):
            return
        self._mark, self._reading, self._results = mark, reading, ()
        self._thread = threading.Thread(target=self._run, args=(reading,), name="early", daemon=True)
        self._thread.start()

    def results(self, reading: Reading) -> tuple[Result, ...]:
        """The results of this reading's calls; none where they were not begun, failed, or were said, which nobody heard."""
        if reading is not self._reading or self._thread is None:
            return ()
        self._thread.join()
        return self._results if all(result.ok and not result.said for result in self._results) else ()

    def _harmless(self, reading: Reading) -> bool:
        if reading.route is None or not reading.route.acts or reading.route.doubt:
            return False
        specs = [self._assistant.registry.get(call.name) for call in reading.route.calls]
        return all(
            spec.risk.read_only and not spec.risk.open_world and not spec.confirm and not is_foreign(spec, self._assistant.registry) for spec in specs
        )

    def _run(self, reading: Reading) -> None:
        assert reading.route
        self._results = tuple(self._assistant.dispatcher.run(call, SilentHost()) for call in reading.route.calls)
