"""Dispatch: a call becomes a result. It is validated again, confirmed, timed and isolated.

Whatever the skill does, Otto lives on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from otto.call import Call
from otto.config import Settings
from otto.context import Clock, Host, SilentHost, SkillContext
from otto.errors import NotConfirmed, OttoError, SkillCancelled, SkillFailed, SkillTimeout
from otto.execute import Failure, Instances, Outcome, Speech, run_skill, run_undo
from otto.isolation import Worker, is_foreign, run_in_thread
from otto.log import LOGGER, start_log
from otto.messages import Result
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec
from otto.store import DATABASE_NAME, Database

__all__ = ["Dispatcher", "Host", "SilentHost"]


class Dispatcher:
    """Runs calls for one host. Nothing that a skill does raises out of `run` or `undo`."""

    def __init__(self, registry: Registry, host: Host, database: Database, settings: Settings) -> None:
        self.registry = registry
        self.database = database
        self._host = host
        self._settings = settings
        self._instances = Instances()
        self._worker = Worker(registry)
        self._log = start_log(settings.paths.data)
        self._running: set[SkillContext] = set()

    @classmethod
    def open(cls, registry: Registry, settings: Settings, host: Host | None = None) -> Dispatcher:
        """A dispatcher on the database that the settings name; the host is told what happened to it."""
        host = host or SilentHost()
        return cls(registry, host, Database(settings.paths.data / DATABASE_NAME, host.say), settings)

    def run(self, call: Call, host: Host | None = None) -> Result:
        """Do what the call says. Failure is a Result too: `ok` is False, `speech` one sentence, `error` what it was.

        Args:
            call: what to do.
            host: who this one run talks through, in place of the dispatcher's own.
        """
        if call.name == OTHER:
            return Result(call, "", ok=False, ms=0.0)
        return self._result(call, lambda: self._prepare(call, host))

    def undo(self, skill: str, value: Any) -> Result:
        """Take back what a run of the skill left `value` for."""
        return self._result(Call(skill), lambda: self._prepare_undo(skill, value))

    def cancel(self) -> None:
        """Stop what runs now, from any thread: its result is there at once, and `ok` is False unless it had an effect and was done."""
        for context in tuple(self._running):
            context.cancel()

    def close(self) -> None:
        """End the worker process and let go of the database."""
        self._worker.close()
        self.database.close()

    def _result(self, call: Call, prepare: Callable[[], _Job]) -> Result:
        start = time.perf_counter()
        try:
            job = prepare()
            start = time.perf_counter()
            speech = self._finish(job)
        except OttoError as error:
            LOGGER.warning("%s: %s", call.name, error)
            return Result(call, str(error), ok=False, ms=_since(start), error=error)
        undo = job.context.left_for_undo if job.spec.undo else None
        return Result(call, speech.text, ok=True, ms=_since(start), undo=undo, said=speech.said)

    def _prepare(self, call: Call, host: Host | None) -> _Job:
        """Everything before the skill runs. What the user confirms is the very call that runs, in canonical words."""
        spec = self._spec(call.name)
        call = spec.canonical(call)
        question = _question(spec, call)
        if question and not self.confirmed(question):
            raise NotConfirmed(f"{spec.name} was not confirmed", "nothing was done")
        return _Job(spec, self._context(spec, call, host=host))

    def _prepare_undo(self, skill: str, value: Any) -> _Job:
        spec = self._spec(skill)
        if not spec.undo:
            raise SkillFailed(f"{skill} cannot be undone")
        return _Job(spec, self._context(spec, Call(skill), value), undo=True)

    def _spec(self, name: str) -> SkillSpec:
        spec = self.registry.get(name)
        if spec.target is None:
            raise SkillFailed(
                f"The skill {name} is only a signature and cannot run", "see `otto skills list` for the skills that do"
            )
        return spec

    def _context(self, spec: SkillSpec, call: Call, undo_value: Any = None, host: Host | None = None) -> SkillContext:
        settings = self._settings.for_skill(spec.name)
        return SkillContext(call, host or self._host, self.database, settings, Clock(spec.deadline), undo_value)

    def confirmed(self, question: str) -> bool:
        """Ask the user yes or no; False where nobody can answer."""
        return self._host.confirm(question) is True

    def _finish(self, job: _Job) -> Speech:
        """Run the job until it ends or its deadline does.

        Raises:
            OttoError: the skill's own, or SkillFailed, SkillTimeout or SkillCancelled.
        """
        name = job.spec.name
        self._running.add(job.context)
        try:
            outcome = self._outcome(job)
        finally:  # also where the user interrupts the wait
            self._running.discard(job.context)
            job.context.close()
        if job.context.clock.stopped and (job.spec.risk.read_only or not isinstance(outcome, Speech)):
            raise _cancelled(job.spec)
        if isinstance(outcome, Speech):
            return outcome
        if outcome is None:
            raise SkillTimeout(
                f"The skill {name} gave no answer within {job.spec.deadline:g} seconds and was stopped",
                "try again later",
            )
        if isinstance(outcome, Failure):
            LOGGER.error("%s failed\n%s", name, outcome.trace)
            raise SkillFailed(f"The skill {name} failed ({outcome.reason})", f"the details are in {self._log}")
        raise outcome

    def _outcome(self, job: _Job) -> Outcome | None:
        spec, context = job.spec, job.context
        if is_foreign(spec, self.registry):
            return self._worker.run(context, undo=job.undo)
        if job.undo:
            return run_in_thread(spec.name, lambda: run_undo(spec, context, self._instances), context.clock)
        values = spec.validate(context.call)
        return run_in_thread(spec.name, lambda: run_skill(spec, values, context, self._instances), context.clock)


@dataclass(frozen=True)
class _Job:
    spec: SkillSpec
    context: SkillContext
    undo: bool = False


def _question(spec: SkillSpec, call: Call) -> str | None:
    """What to ask before the skill runs. A destructive skill that cannot be undone is never run unasked."""
    if spec.confirm is None:
        return f"Really run {call}?" if spec.risk.destructive and not spec.undo else None
    defaults = {parameter.name: parameter.canonical_default for parameter in spec.parameters if not parameter.required}
    try:
        return spec.confirm.format(**{**defaults, **call.arguments})
    except (LookupError, ValueError, AttributeError):
        raise SkillFailed(
            f"The question {spec.confirm!r} of {spec.name} names what is not there",
            "its {places} are the skill's parameters",
        ) from None


def _cancelled(spec: SkillSpec) -> SkillCancelled:
    if spec.risk.read_only:
        return SkillCancelled("Okay, nothing was done")
    return SkillCancelled(f"Okay, {spec.name} was stopped", "what it had done by then stays done")


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
