"""PhraseBook: the templates of all examples. It answers a known phrase without a model, and it writes the speech grammar.

A template is an example with its values taken out: `set a timer for {duration}`. A known phrase is a template whose values
are known too: any duration, number, time or date, but only those names and texts that an example has or a list holds, for
"open {program}" also matches "open the door".
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.align import MAX_SPAN, Aligned, align
from otto.call import Call
from otto.choices import choice_orders
from otto.errors import InvalidCall
from otto.fillers import without_fillers
from otto.parameters import Parameter
from otto.paths import keep_newest
from otto.skill import OTHER, SkillSpec
from otto.types import AppName, Location
from otto.words import Word, normal_text, span_text, split_words

if TYPE_CHECKING:
    from otto.registry import Registry


@dataclass(frozen=True)
class Slot:
    """The place of a value in a template."""

    parameter: str


@dataclass(frozen=True)
class Template:
    """Words and slots of a sentence, and the arguments that no word holds."""

    skill: str
    tokens: tuple[str | Slot, ...]
    fixed: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return " ".join(f"{{{token.parameter}}}" if isinstance(token, Slot) else token for token in self.tokens)


@dataclass(frozen=True)
class Phrase:
    """An aligned example: words, and for a value its parameter, its words and how it was said."""

    skill: str
    parts: tuple[str | tuple[str, str, str], ...]
    fixed: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, aligned: Aligned) -> Phrase:
        parts: list[str | tuple[str, str, str]] = []
        at = 0
        for span in aligned.spans:
            parts += [word.text for word in aligned.words[at : span.first]]
            words = " ".join(word.text for word in aligned.words[span.first : span.last + 1])
            parts.append((span.parameter, words, aligned.said(span)))
            at = span.last + 1
        parts += [word.text for word in aligned.words[at:]]
        return cls(aligned.skill, tuple(parts), aligned.fixed)

    def to_json(self) -> list[Any]:
        return [self.skill, self.parts, self.fixed]

    @classmethod
    def from_json(cls, row: list[Any]) -> Phrase:
        parts = tuple(part if isinstance(part, str) else (part[0], part[1], part[2]) for part in row[1])
        return cls(row[0], parts, tuple((name, value) for name, value in row[2]))


def phrases_of(specs: Iterable[SkillSpec]) -> Iterator[Phrase]:
    """The phrases of all examples whose values are all words of the sentence."""
    for spec in specs:
        for example in spec.examples:
            aligned = align(spec, example)
            if aligned.words and not aligned.missing:
                yield Phrase.of(aligned)


@dataclass
class _Node:
    """A state of the trie of all templates."""

    words: dict[str, _Node] = field(default_factory=dict)
    slots: dict[tuple[str, str], _Node] = field(default_factory=dict)  # (skill, parameter) → next
    ends: set[tuple[str, tuple[tuple[str, Any], ...]]] = field(default_factory=set)  # (skill, fixed arguments)


@dataclass(frozen=True)
class _Match:
    call: Call
    literal: int  # words that the template itself has


class PhraseBook:
    """The templates of the skills' examples, and the values seen in each slot."""

    def __init__(self, specs: Iterable[SkillSpec], phrases: Iterable[Phrase] | None = None) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._root = _Node()
        self._orders = choice_orders(self._specs.values())
        self._values: dict[tuple[str, str], dict[str, str]] = {}  # normal text → as it was said first
        self.phrases = tuple(phrases_of(self._specs.values()) if phrases is None else phrases)
        self.templates: tuple[Template, ...] = tuple(dict.fromkeys(self._learn(phrase) for phrase in self.phrases))

    @classmethod
    def open(cls, registry: Registry, folder: Path | None) -> PhraseBook:
        """The book of a registry, its aligned examples kept in a cache folder: to align thousands takes a second."""
        if folder is None:
            return cls(registry)
        path = folder / f"phrases-{registry.version}.json"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(registry, [Phrase.from_json(row) for row in stored])
        except (OSError, ValueError, TypeError, IndexError):  # not there yet, or damaged
            book = cls(registry)
        with suppress(OSError):  # a full disk or a read-only home costs time at the next start, nothing else
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps([phrase.to_json() for phrase in book.phrases]), encoding="utf-8")
            part.replace(path)
            keep_newest(folder, "phrases-*.json")
        return book

    def values(self, skill: str, parameter: str) -> tuple[str, ...]:
        """What the examples say in a slot."""
        return tuple(self._values.get((skill, parameter), {}).values())

    def match(self, text: str) -> Call | None:
        """The call of a known phrase, with a lead-in ("hey otto", "could you please") and a tail ("please") or without; None where it is none.

        Two readings with different calls are none, unless one has more of the phrase's own words.
        """
        words = split_words(text)
        for first, last in without_fillers([word.text for word in words]):
            found = list(self._matches(text, words[first:last]))
            if found:
                best = max(match.literal for match in found)
                calls = [match.call for match in found if match.literal == best]
                return calls[0] if all(call == calls[0] for call in calls) else None
            ordered = [call for order in self._orders.values() if (call := order.match([word.text for word in words[first:last]]))]
            if ordered:
                return ordered[0] if len(ordered) == 1 else None
        return None

    def begins(self, text: str) -> bool:
        """Whether the text is the beginning of a phrase and not all of one: "set a timer for"."""
        words = split_words(text)
        ranges = without_fillers([word.text for word in words])
        return any(self._leads_on(self._root, text, words[first:last]) for first, last in ranges if last == len(words))

    def wording(self, call: Call) -> str | None:
        """A sentence that asks for the call, in the commonest words of its skill's templates; None where no template has just its arguments."""
        given = {name: str(value) for name, value in call.arguments.items()}
        own = [template for template in self.templates if template.skill == call.name]
        pairs = Counter(pair for template in own for pair in pairwise(map(str, template.tokens)))
        fitting = [template for template in own if _says_just(template, given)]
        if not fitting:
            return None
        best = max(fitting, key=lambda template: sum(pairs[pair] for pair in pairwise(map(str, template.tokens))) / len(template.tokens))
        return " ".join(given[token.parameter] if isinstance(token, Slot) else token for token in best.tokens).replace(" 's", "'s")

    def sample(self, rng: random.Random, skill: str | None = None) -> tuple[str, Call]:
        """A sentence of a template with values of other examples, and its call. Raises ValueError where there is no template."""
        templates = [template for template in self.templates if skill in (None, template.skill)]
        if not templates:
            raise ValueError(f"there is no template of {skill or 'any skill'}")
        template = rng.choice(templates)
        arguments = dict(template.fixed)
        said = []
        for token in template.tokens:
            if isinstance(token, Slot):
                value = rng.choice(self._sayable(template.skill, token.parameter))
                arguments[token.parameter] = value
                said.append(value)
            else:
                said.append(token)
        return " ".join(said), self._canonical(Call(template.skill, arguments))

    def hot_words(self, limit: int = 60) -> tuple[str, ...]:
        """Names and rarer words of the phrases, which a speech engine should expect, the most used first."""
        counts: Counter[str] = Counter()
        for template in self.templates:
            counts.update({token for token in template.tokens if isinstance(token, str) and len(token) > 3 and template.skill != OTHER})
        for (skill, parameter), values in self._values.items():
            if self._specs[skill].parameter(parameter).spoken is AppName:
                counts.update(dict.fromkeys(values, 3))
        return tuple(word for word, _ in counts.most_common(limit))

    def _learn(self, phrase: Phrase) -> Template:
        tokens: list[str | Slot] = []
        node = self._root
        for part in phrase.parts:
            if isinstance(part, str):
                tokens.append(part)
                node = node.words.setdefault(part, _Node())
            else:
                name, words, said = part
                tokens.append(Slot(name))
                self._values.setdefault((phrase.skill, name), {}).setdefault(words, said)
                node = node.slots.setdefault((phrase.skill, name), _Node())
        node.ends.add((phrase.skill, phrase.fixed))
        return Template(phrase.skill, tuple(tokens), phrase.fixed)

    def _leads_on(self, node: _Node, text: str, words: tuple[Word, ...]) -> bool:
        """Whether a template goes on after the words, and none ends with them."""
        if not words:
            return not node.ends and node is not self._root
        following = node.words.get(words[0].text)
        if following and self._leads_on(following, text, words[1:]):
            return True
        return any(
            self._leads_on(after, text, words[end:])
            for key, after in node.slots.items()
            for end in range(1, len(words) + 1)
            if self._known_value(key, text, words[:end]) is not None
        )

    def _matches(self, text: str, words: tuple[Word, ...]) -> Iterator[_Match]:
        def walk(node: _Node, at: int, literal: int, said: dict[tuple[str, str], str]) -> Iterator[_Match]:
            if at == len(words):
                for skill, fixed in node.ends:
                    arguments = dict(fixed) | {name: value for (owner, name), value in said.items() if owner == skill}
                    yield _Match(Call(skill, arguments), literal)
                return
            following = node.words.get(words[at].text)
            if following:
                yield from walk(following, at + 1, literal + 1, said)
            for key, after in node.slots.items():
                for end in range(at + 1, len(words) + 1):
                    if end < len(words) and not after.slots and words[end].text not in after.words:
                        continue  # the template goes on with another word
                    if end == len(words) and not after.ends:
                        continue
                    value = self._known_value(key, text, words[at:end])
                    if value is not None:
                        yield from walk(after, end, literal, {**said, key: value})

        for match in walk(self._root, 0, 0, {}):
            try:
                yield _Match(self._canonical(match.call), match.literal)
            except InvalidCall:
                continue

    def _canonical(self, call: Call) -> Call:
        """Raises InvalidCall."""
        return call if call.name == OTHER else self._specs[call.name].canonical(call)  # an example of any skill may show other()

    def _known_value(self, key: tuple[str, str], text: str, words: tuple[Word, ...]) -> str | None:
        parameter = self._specs[key[0]].parameter(key[1])
        said = span_text(text, words, 0, len(words) - 1)
        normal = " ".join(word.text for word in words)
        if normal in self._values.get(key, {}) or (parameter.spoken and normal in _normal_texts(parameter.spoken.samples)):
            return said
        if _is_open(parameter) or len(words) > MAX_SPAN:
            return None
        return said if parameter.said_value(said) is not None else None

    def _sayable(self, skill: str, parameter: str) -> list[str]:
        kind = self._specs[skill].parameter(parameter).spoken
        return [*self.values(skill, parameter), *(kind.samples if kind else ())]


def _says_just(template: Template, given: Mapping[str, str]) -> bool:
    """Whether the template's slots and fixed arguments are these, no more and no fewer."""
    slots = [token.parameter for token in template.tokens if isinstance(token, Slot)]
    fixed = {name: str(value) for name, value in template.fixed}
    return sorted([*slots, *fixed]) == sorted(given) and all(given[name] == value for name, value in fixed.items())


def _is_open(parameter: Parameter) -> bool:
    """Whether nearly any words fit, so that fitting shows nothing."""
    return parameter.plain is str or parameter.spoken in (AppName, Location)


@cache
def _normal_texts(values: tuple[str, ...]) -> frozenset[str]:
    """The values that a type lists, in normal text: `sample` and the speech grammar say them, so they are known."""
    return frozenset(map(normal_text, values))
