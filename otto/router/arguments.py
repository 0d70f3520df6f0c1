"""Spans of a sentence → the arguments of a call, with the help of the parameters' types.

A model's span of a duration, a formula, a time or a day is only a hint: the value is the longest run of words about there
that is one, since the type's own parser knows better where it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from otto.align import MAX_SPAN, Span
from otto.call import Call
from otto.errors import InvalidCall
from otto.parameters import Parameter
from otto.skill import SkillSpec
from otto.types import Date, Duration, Expression, Time
from otto.words import Word, span_text

_DISTINCT = (Date, Duration, Expression, Time)  # few words are one by chance, so that a sentence can be searched for them


def build_call(
    spec: SkillSpec,
    text: str,
    words: Sequence[Word],
    fixed: Iterable[tuple[str, Any]],
    spans: Iterable[Span],
    expected: Iterable[str] = (),
) -> Call | None:
    """The canonical call of a skill, None where no valid one can be made.

    Args:
        spec: the skill.
        text, words: the sentence, whole and split.
        fixed: the arguments that are in no word.
        spans: where a model believes the others to be.
        expected: parameters to look for, even where the model found none.
    """
    words = tuple(words)
    arguments: dict[str, Any] = dict(fixed)
    hints: dict[str, list[Span]] = {}
    for span in spans:
        hints.setdefault(span.parameter, []).append(span)
    for parameter in spec.parameters:
        if parameter.name in arguments:
            continue
        found = _value(parameter, text, words, hints.get(parameter.name, []), parameter.required or parameter.name in expected)
        if found is not None:
            arguments[parameter.name] = found
    try:
        return spec.canonical(Call(spec.name, arguments))
    except InvalidCall:
        return None


def _value(parameter: Parameter, text: str, words: tuple[Word, ...], hints: Sequence[Span], wanted: bool) -> Any:
    if parameter.spoken in _DISTINCT:
        best = _longest_value(parameter, text, words, hints) if hints or wanted else None
        return best if best is None else span_text(text, words, best.first, best.last)
    said = [span_text(text, words, span.first, span.last) for span in hints]
    fitting = [item for item in said if parameter.free_text or parameter.said_value(item) is not None]
    if not fitting:
        return None
    return fitting if parameter.is_list else fitting[0]


def _longest_value(parameter: Parameter, text: str, words: tuple[Word, ...], hints: Sequence[Span]) -> Span | None:
    """The longest run of words that is a value: among those that touch a hint, else anywhere."""
    fitting = [
        Span(parameter.name, first, last)
        for first in range(len(words))
        for last in range(first, min(len(words), first + MAX_SPAN))
        if parameter.said_value(span_text(text, words, first, last)) is not None
    ]
    touching = [span for span in fitting if any(span.first <= hint.last and hint.first <= span.last for hint in hints)]
    return max(touching or fitting, key=lambda span: (span.last - span.first, span.first), default=None)
