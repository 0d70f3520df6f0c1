"""Calls a skill's function and makes speech of what comes back: the same in a thread and in a process of its own."""

from __future__ import annotations

import asyncio
import inspect
import re
import traceback
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from otto.errors import OttoError, SkillFailed
from otto.skill import Context, SkillSpec

DONE = "Done."  # of a skill that returns None
MAX_REASON = 200  # characters of a foreign error's text that are passed on
MAX_SPEECH = 100_000  # characters; more is a skill out of control
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")


@dataclass(frozen=True)
class Speech:
    """What a skill has to say; `said` where the host has said it already, sentence by sentence."""

    text: str
    said: bool = False


@dataclass(frozen=True)
class Failure:
    """What a skill raised that was not meant for the user."""

    reason: str  # one line: "ValueError: …"
    trace: str = ""  # for the log


Outcome = Speech | OttoError | Failure


def outcome_of(run: Callable[[], Speech]) -> Outcome:
    """What comes of a run. A skill is foreign code: it may raise anything, SystemExit too."""
    try:
        return run()
    except OttoError as error:
        return error
    except BaseException as error:  # noqa: BLE001  see above
        return Failure(_reason(error), "".join(traceback.format_exception(error)))


class Instances:
    """The objects of the skills that are classes: one each, made at first use."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Any, Any]] = {}

    def of(self, spec: SkillSpec) -> Any:
        """The skill's function, or its object. A class that was loaded anew gets a new one."""
        if not inspect.isclass(spec.target):
            return spec.target
        known = self._made.get(spec.name)
        if known is None or known[0] is not spec.target:
            known = self._made[spec.name] = (spec.target, spec.target())
        return known[1]


def run_skill(spec: SkillSpec, values: Mapping[str, Any], context: Context, instances: Instances) -> Speech:
    """Run the skill. Raises whatever it raises, and SkillFailed where its answer is not text."""
    given = {_context_name(spec.target): context} if spec.takes_context else {}
    return _speech(spec.name, lambda: instances.of(spec)(**values, **given), context.say)


def run_undo(spec: SkillSpec, context: Context, instances: Instances) -> Speech:
    """Run the function beside the skill, or the method of its class, that takes its action back."""
    target: Any = spec.target
    name = spec.undo or ""
    function = (
        getattr(instances.of(spec), name) if inspect.isclass(target) else inspect.unwrap(target).__globals__[name]
    )
    return _speech(spec.name, lambda: function(context), context.say)


def _speech(skill: str, run: Callable[[], Any], say: Callable[[str], None]) -> Speech:
    value = run()
    if inspect.isawaitable(value) or isinstance(value, AsyncIterator):
        value = asyncio.run(_awaited(value, say, skill))
    if isinstance(value, Speech):
        return value
    if isinstance(value, Iterator):
        stream = _Stream(skill, say)
        for piece in value:
            stream.add(piece)
        return stream.end()
    if value is None:
        return Speech(DONE)
    return Speech(_checked(skill, value))


async def _awaited(value: Any, say: Callable[[str], None], skill: str) -> Any:
    if not isinstance(value, AsyncIterator):
        value = await value
    if not isinstance(value, AsyncIterator):
        return value
    stream = _Stream(skill, say)
    async for piece in value:
        stream.add(piece)
    return stream.end()


class _Stream:
    """Says an answer while it is still coming: whole sentences, as soon as each is there."""

    def __init__(self, skill: str, say: Callable[[str], None]) -> None:
        self._skill = skill
        self._say = say
        self._text = ""
        self._said = 0

    def add(self, piece: Any) -> None:
        self._text += _checked(self._skill, piece)
        _checked(self._skill, self._text)
        *sentences, rest = _SENTENCE_END.split(self._text[self._said :])
        for sentence in sentences:
            if sentence.strip():
                self._say(sentence.strip())
        self._said = len(self._text) - len(rest)

    def end(self) -> Speech:
        rest = self._text[self._said :].strip()
        if rest:
            self._say(rest)
        return Speech(self._text.strip(), said=True)


def _checked(skill: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SkillFailed(
            f"The skill {skill} returned nonsense ({type(value).__name__} instead of text)",
            "have it return what to say",
        )
    if len(value) > MAX_SPEECH:
        raise SkillFailed(
            f"The skill {skill} returned nonsense (more than {MAX_SPEECH:,} characters)", "have it return what to say"
        )
    return value.encode("utf-8", "replace").decode("utf-8")


def _context_name(target: Any) -> str:
    function = target.__call__ if inspect.isclass(target) else target
    return next(name for name, hint in typing.get_type_hints(function).items() if hint is Context)


def _reason(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  an exception of a skill is foreign code too
        text = ""
    text = text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
