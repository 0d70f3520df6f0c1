"""Rows: a sentence as words, and the call it should become with its arguments as spans of those words.

They come from the examples of skills and from extra corpora (JSON lines with character spans, beside a file of signatures).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from otto.align import Aligned, Span, align
from otto.call import Call
from otto.errors import OttoError, StoreError
from otto.registry import Registry
from otto.skill import OTHER, Example, SkillSpec
from otto.words import split_words


@dataclass(frozen=True)
class Row:
    """One sentence to learn from."""

    words: tuple[str, ...]
    skill: str  # OTHER where no skill fits
    spans: tuple[Span, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    text: str = ""  # as it was said
    call: Call = Call(OTHER)

    @property
    def template(self) -> str:
        """The sentence with its values replaced by their parameters' names; with the fixed arguments, what a split keeps together."""
        words = list(self.words)
        for span in sorted(self.spans, key=lambda span: -span.first):
            words[span.first : span.last + 1] = [f"{{{span.parameter}}}"]
        return " ".join(words)

    @property
    def values(self) -> tuple[str, ...]:
        """The words of each span."""
        return tuple(" ".join(self.words[span.first : span.last + 1]) for span in self.spans)

    def with_value(self, span: Span, value: tuple[str, ...]) -> Row:
        """The same sentence with other words in one span."""
        shift = len(value) - (span.last - span.first + 1)
        spans = []
        for other in self.spans:
            if other == span:
                spans.append(Span(span.parameter, span.first, span.last + shift))
            elif other.first > span.last:
                spans.append(Span(other.parameter, other.first + shift, other.last + shift))
            else:
                spans.append(other)
        words = self.words[: span.first] + value + self.words[span.last + 1 :]
        return replace(self, words=words, spans=tuple(spans))


def rows_of_examples(specs: Iterable[SkillSpec]) -> Iterator[Row]:
    """The rows of the skills' own examples; those with an argument that is in no word are left out."""
    for spec in specs:
        for example in spec.examples:
            aligned = align(spec, example)
            if not aligned.missing and aligned.words:
                yield row_of(aligned)


def rows_of_corpus(path: Path, signatures: Registry) -> Iterator[Row]:
    """The rows of a JSON lines corpus whose arguments are all spans of the text, once each.

    Raises:
        StoreError: the file cannot be read or a line is not a row.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")  # a text may hold what else ends lines
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise StoreError(f"{path} cannot be read ({reason})", "check the path given to --corpus") from None
    for number, line in enumerate(lines, 1):
        try:
            row = _corpus_row(json.loads(line), signatures)
        except (ValueError, KeyError, TypeError, AttributeError, OttoError) as error:
            raise StoreError(f"{path.name}:{number} is not a row ({type(error).__name__}: {error})", "see docs/router.md for the format") from None
        if row:
            yield row


def row_of(aligned: Aligned) -> Row:
    words = tuple(word.text for word in aligned.words)
    return Row(words, aligned.skill, aligned.spans, aligned.fixed, aligned.example.text, aligned.example.call)


def _corpus_row(item: dict[str, Any], signatures: Registry) -> Row | None:
    if not item["text"]:
        return None
    words = split_words(item["text"])
    if item["skill"] is None:
        return row_of(Aligned(Example(item["text"], Call(OTHER)), words)) if words else None
    spec = signatures.get(item["skill"]["name"])
    starts = {word.start: index for index, word in enumerate(words)}
    ends = {word.end: index for index, word in enumerate(words)}
    spans, fixed, seen = [], [], set()
    for slot in item["slots"]:
        if slot.get("from") == "context":
            continue
        if slot["name"] in seen or slot["start"] not in starts or slot["end"] not in ends:
            return None
        seen.add(slot["name"])
        parameter, first, last = spec.parameter(slot["name"]), starts[slot["start"]], ends[slot["end"]]
        if first > last:
            return None
        if parameter.choices:
            fixed.append((slot["name"], parameter.canonical(slot.get("normalized", slot["value"]))))
        else:
            spans.append(Span(slot["name"], first, last))
    spans.sort(key=lambda span: span.first)
    if any(left.last >= right.first for left, right in pairwise(spans)):
        return None
    call = Call(spec.name, item["call"]["arguments"])
    return row_of(Aligned(Example(item["text"], call), words, tuple(spans), tuple(fixed)))
