"""Scores an answer against the right call: the same equality as everywhere, and a reason in words."""

from __future__ import annotations

from dataclasses import dataclass

from otto.call import Call
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.skill import OTHER

RIGHT = "right"
INVALID = "no valid call"
WRONG_SKILL = "wrong skill"
WRONG_ARGUMENT = "wrong argument"
INVENTED = "invented argument"
MISSING = "missing argument"
ACTS = "acts on stray talk"
MISSES = "leaves a request alone"
MORE = "more calls than were asked for"


@dataclass(frozen=True)
class Verdict:
    """How good an answer is: 1 is right, 0 has nothing of it; between them the skill and a share of the arguments are right."""

    score: float
    why: str
    parameter: str = ""  # the first that is wrong

    @property
    def right(self) -> bool:
        return self.why == RIGHT


def canonical(call: Call, registry: Registry) -> Call:
    """The call in its one spelling. Raises UnknownSkill, InvalidCall."""
    return Call(OTHER) if call.name == OTHER else registry.get(call.name).canonical(call)


def judge(answer: str, right: Call, registry: Registry) -> Verdict:
    """Score an answer of a model: a call in any spelling, thoughts before it or not.

    Args:
        answer: what the model wrote.
        right: the call that was wanted, valid.
        registry: the skills.
    """
    calls = read_calls(answer, registry)
    if calls is None:
        return Verdict(0.0, INVALID)
    wanted = canonical(right, registry)
    if len(calls) > 1:
        return Verdict(0.0, MORE)
    call = calls[0]
    if call == wanted:
        return Verdict(1.0, RIGHT)
    if wanted.name == OTHER:
        return Verdict(0.0, ACTS)
    if call.name == OTHER:
        return Verdict(0.0, MISSES)
    return _arguments(call, wanted) if call.name == wanted.name else Verdict(0.0, WRONG_SKILL)


def _arguments(call: Call, wanted: Call) -> Verdict:
    """Of two calls of one skill that differ."""
    names = dict.fromkeys((*wanted.arguments, *call.arguments))
    equal = [name for name in names if _one(call, name) == _one(wanted, name)]
    score = 0.5 + 0.5 * len(equal) / len(names)
    wrong = next(name for name in names if name not in equal)
    if wrong not in call.arguments:
        return Verdict(score, MISSING, wrong)
    return Verdict(score, WRONG_ARGUMENT if wrong in wanted.arguments else INVENTED, wrong)


def _one(call: Call, name: str) -> Call | None:
    """The call with one argument alone: its equality is the argument's."""
    return Call(call.name, {name: call.arguments[name]}) if name in call.arguments else None
