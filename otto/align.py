"""Aligns an example with its call: which words of the sentence became which argument.

Templates, the tagger and the embedded Llama are all made from this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from otto.errors import InvalidCall
from otto.parameters import Parameter
from otto.skill import OTHER, Example, SkillSpec
from otto.types import AppName, Location, Number
from otto.words import Word, span_text, split_words

MAX_SPAN = 12  # words of a spoken value; free text has no limit
_LEADING = frozenset("for at by on to of and is from until till about".split())  # never the first word of a spoken value
_SIGNS = frozenset(("minus", "negative", "-", "square", "cube"))
_TRAILING = frozenset("and please".split())


@dataclass(frozen=True)
class Span:
    """Words `first` to `last` inclusive are the value of a parameter."""

    parameter: str
    first: int
    last: int


@dataclass(frozen=True)
class Aligned:
    """An example's words, the spans that are values, and the arguments that are in no word (`action="add"`)."""

    example: Example
    words: tuple[Word, ...]
    spans: tuple[Span, ...] = ()  # in the order of the sentence, not overlapping
    fixed: tuple[tuple[str, Any], ...] = ()  # in the order of the signature
    missing: tuple[str, ...] = ()  # text parameters whose value is in no span

    @property
    def skill(self) -> str:
        return self.example.call.name

    def said(self, span: Span) -> str:
        """The words of a span as they stand in the sentence."""
        return span_text(self.example.text, self.words, span.first, span.last)


def align(spec: SkillSpec, example: Example) -> Aligned:
    """Find each argument's words. A Literal or a truth value is never looked for: it follows from the sentence as a whole."""
    words = split_words(example.text)
    if example.call.name == OTHER:
        return Aligned(example, words)
    spans: list[Span] = []
    fixed: list[tuple[str, Any]] = []
    missing: list[str] = []
    for parameter in sorted(spec.parameters, key=_hardest_first):
        if parameter.name not in example.call.arguments:
            continue
        value = example.call.arguments[parameter.name]
        if parameter.choices or parameter.plain is bool:
            fixed.append((parameter.name, value))
            continue
        for item in value if parameter.is_list and isinstance(value, list) else [value]:
            span = _find(parameter, item, example.text, words, spans)
            if span:
                spans.append(span)
            else:
                missing.append(parameter.name)
    order = [parameter.name for parameter in spec.parameters]
    return Aligned(
        example,
        words,
        tuple(sorted(spans, key=lambda span: span.first)),
        tuple(sorted(fixed, key=lambda item: order.index(item[0]))),
        tuple(missing),
    )


def _hardest_first(parameter: Parameter) -> int:
    """Free text is found word for word, so it goes first and the looser types share what is left."""
    return 0 if parameter.free_text else 1


def _find(parameter: Parameter, value: Any, text: str, words: tuple[Word, ...], taken: list[Span]) -> Span | None:
    free = [index for index in range(len(words)) if not any(span.first <= index <= span.last for span in taken)]
    if parameter.free_text:
        wanted = [word.text for word in split_words(str(value))]
        matches = [Span(parameter.name, i, i + len(wanted) - 1) for i in free if [w.text for w in words[i : i + len(wanted)]] == wanted]
        return matches[-1] if matches and wanted else None
    try:
        canonical = parameter.canonical(value)
    except InvalidCall:
        return None
    matches = [
        Span(parameter.name, first, last)
        for first, last in _spans(free)
        if words[first].text not in _LEADING
        and words[last].text not in _TRAILING
        and parameter.said_value(span_text(text, words, first, last)) == canonical
    ]
    if not matches:
        return None
    longest = max(matches, key=lambda span: (span.last - span.first, -span.first))  # "half past six" beats "six"
    inner = [span for span in matches if longest.first <= span.first and span.last <= longest.last]
    if parameter.spoken in (AppName, Location):
        return min(inner, key=lambda span: span.last - span.first)  # "the text editor" is "text editor"
    bare = max((span for span in inner if span.last == longest.last), key=lambda span: span.first)  # "what is 3 plus 4"
    return _with_number(bare, inner, words)


def _with_number(span: Span, matches: list[Span], words: tuple[Word, ...]) -> Span:
    """The span with the number words before it, which its type would not miss: "1 hour and 10 minutes", "a hundred"."""
    longer = Span(span.parameter, span.first - 1, span.last)
    while longer in matches and _is_number(words[longer.first].text):
        span, longer = longer, Span(span.parameter, longer.first - 1, span.last)
    return span


def _is_number(word: str) -> bool:
    try:
        Number.parse(word)
    except ValueError:
        return word in _SIGNS
    return True


def _spans(free: list[int]) -> Iterator[tuple[int, int]]:
    available = set(free)
    for first in free:
        for last in range(first, first + MAX_SPAN):
            if last not in available:
                break
            yield first, last
