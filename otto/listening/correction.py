""""No, I said Lyon": the last command with the one word put right."""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher

from otto.call import Call
from otto.errors import InvalidCall, UnknownSkill
from otto.messages import Route
from otto.registry import Registry


def corrected(call: Call, value: str, registry: Registry, route: Callable[[str], Route]) -> Call | None:
    """The call that was meant; None where the value fits nowhere.

    Args:
        call: what was done.
        value: what the speaker says was said: a value ("Lyon"), or the whole command.
        registry: the skills.
        route: makes a call of a whole command.
    """
    whole = route(value)
    if whole.acts and len(whole.calls) == 1 and whole.calls[0] != call:
        return whole.calls[0]
    fitting = [(name, fixed) for name in call.arguments if (fixed := _with(call, name, value, registry)) is not None]
    if not fitting:
        return None
    spec = registry.get(call.name)
    return max(fitting, key=lambda item: (spec.parameter(item[0]).plain is not str, _likeness(str(call.arguments[item[0]]), value)))[1]


def _with(call: Call, name: str, value: str, registry: Registry) -> Call | None:
    """The call with another value for one argument; None where it is no value of it, or the same one."""
    parameter = registry.get(call.name).parameter(name)
    try:
        fixed = registry.get(call.name).canonical(Call(call.name, {**call.arguments, name: parameter.said_value(value) or value}))
    except (InvalidCall, UnknownSkill):
        return None
    return fixed if fixed != registry.get(call.name).canonical(call) else None


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()
