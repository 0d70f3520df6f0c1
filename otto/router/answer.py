"""What a large model answers, as text → calls of the installed skills. Nothing in it is taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from otto.call import Call
from otto.errors import OttoError
from otto.grammar import MAX_CALLS
from otto.registry import Registry
from otto.router.base import NOTHING
from otto.skill import OTHER

_THOUGHTS = re.compile(r"\s*(?:<(think|thinking|reflection)>.*?</\1>\s*)+", re.DOTALL)
_WRAPPED = re.compile(r"\s*(?:<output>(.*)</output>|```\w*\n(.*)```|`([^`]*)`)\s*", re.DOTALL)


def read_calls(text: str, registry: Registry) -> tuple[Call, ...] | None:
    """The canonical calls of an answer, `other()` alone where no skill fits; None where a part of it is not a valid call.

    An answer is in the call syntax or the JSON of `grammar.answer_schema`. Thoughts before it and marks around it (a
    code fence, `<output>`) are taken off.
    """
    thoughts = _THOUGHTS.match(text)
    text = text[thoughts.end() :] if thoughts else text
    wrapped = _WRAPPED.fullmatch(text)
    text = next(part for part in wrapped.groups() if part is not None) if wrapped else text
    try:
        calls = tuple(_from_json(text, registry)) if text.lstrip().startswith("{") else Call.parse_all(text)
        if len(calls) > MAX_CALLS:
            return None
        real = tuple(registry.get(call.name).canonical(call) for call in calls if call.name != OTHER)
    except (OttoError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return real or (NOTHING,)


def _from_json(text: str, registry: Registry) -> Iterator[Call]:
    for row in json.loads(text)["calls"]:
        yield Call(row["name"], dict(_said(row["name"], row["arguments"], registry)))


def _said(name: str, arguments: dict[str, Any], registry: Registry) -> Iterator[tuple[str, Any]]:
    """The arguments without those whose null means "not said": strict schemas require every one."""
    for argument, value in arguments.items():
        if value is None and name != OTHER:
            parameter = registry.get(name).parameter(argument)
            if not parameter.required and not parameter.nullable:
                continue
        yield argument, value
