"""PhraseBook → the speech grammar of the closed-phrase engine, in JSGF (JSpeech Grammar Format 1.0).

All phrases become one word graph with shared beginnings and endings: written one after another they would decode ten
times slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from otto.messages import SpeechGrammar
from otto.parameters import Parameter
from otto.phrases import PhraseBook, Slot, Template
from otto.skill import OTHER, SkillSpec
from otto.types import AppName, Location, Number
from otto.words import split_words

LONGEST = 9  # words and slots of a phrase; longer ones are one person's own
LONGEST_VALUE = 5  # words of a text that is in the grammar because an example has it
_SAYABLE = re.compile(r"[a-z]+(?:'[a-z]+)*")

_Token = str  # a word, or "<rule>" of a slot
_Trie: TypeAlias = "dict[_Token, _Trie]"


def speech_grammar(book: PhraseBook, specs: Iterable[SkillSpec], longest: int = LONGEST) -> SpeechGrammar:
    """The grammar of every phrase that can be said in plain words, its values as rules of their own."""
    rules: dict[str, str] = {}
    by_name = {spec.name: spec for spec in specs}
    phrases = []
    for template in book.templates:
        spec = by_name.get(template.skill)
        if spec is None or spec.name == OTHER:
            continue
        tokens = _tokens(template, spec, book, rules)
        if tokens and len(tokens) <= longest:
            phrases.append(tokens)
    graph = _Graph(phrases)
    text = "\n".join(["#JSGF V1.0;", "grammar commands;", *graph.rules("command"), *rules.values()]) + "\n"
    bodies = re.sub(r"<[^>]*>|^grammar .*|^#.*|\bpublic\b", " ", text, flags=re.MULTILINE)
    return SpeechGrammar(text, tuple(sorted(set(_SAYABLE.findall(bodies)))))


def _tokens(template: Template, spec: SkillSpec, book: PhraseBook, rules: dict[str, str]) -> tuple[_Token, ...]:
    """The template as words and rule names, nothing where it cannot be said; the rules of its slots are added."""
    tokens: list[_Token] = []
    for token in template.tokens:
        if isinstance(token, Slot):
            rule = _slot_rule(spec, spec.parameter(token.parameter), book, rules)
            if rule is None:
                return ()
            tokens.append(rule)
        elif token == "'s" and tokens and not tokens[-1].startswith("<"):
            tokens[-1] += token
        elif _SAYABLE.fullmatch(token):
            tokens.append(token)
        else:
            return ()
    return tuple(tokens)


def _slot_rule(spec: SkillSpec, parameter: Parameter, book: PhraseBook, rules: dict[str, str]) -> _Token | None:
    """The name of the rule for a slot's values: its type's own rule, with what the examples say where the type is a list of names."""
    kind = parameter.spoken or (Number if parameter.plain in (int, float) else None)
    if kind and kind not in (AppName, Location):
        if f"<{kind.__name__}>" not in rules:
            rules[f"<{kind.__name__}>"] = (kind.jsgf() or "").rstrip()
        return f"<{kind.__name__}>"
    name = f"<{spec.name}_{parameter.name}>"
    if name not in rules:
        said = [_spoken(value) for value in (*book.values(spec.name, parameter.name), *(parameter.spoken.samples if parameter.spoken else ()))]
        choices = list(dict.fromkeys(value for value in said if value and len(value.split()) <= LONGEST_VALUE))
        listed = kind.jsgf() if kind else None
        if kind and listed:
            rules[f"<{kind.__name__}>"] = listed.rstrip()
            choices.append(f"<{kind.__name__}>")
        if not choices:
            return None
        rules[name] = f"{name} = {' | '.join(choices)};"
    return name


def _spoken(value: str) -> str:
    """A value in plain lower-case words, "" where it has digits or marks that nobody can pronounce for sure."""
    words = " ".join(word.text for word in split_words(value)).replace(" 's", "'s").split()
    return " ".join(words) if words and all(_SAYABLE.fullmatch(word) for word in words) else ""


class _Graph:
    """Phrases as a minimal word graph: equal beginnings and equal endings are there once."""

    def __init__(self, phrases: Iterable[Sequence[_Token]]) -> None:
        trie: _Trie = {}
        for phrase in phrases:
            node = trie
            for token in phrase:
                node = node.setdefault(token, {})
            node[""] = {}  # a phrase may end here
        self._states: dict[tuple[tuple[_Token, int], ...], int] = {}
        self._root = self._merge(trie)

    def rules(self, public: str) -> list[str]:
        """The graph as right-recursive rules, one a state."""
        names = {number: f"<{public}>" if number == self._root else f"<n{number}>" for number in self._states.values()}
        lines = []
        for arcs, number in self._states.items():
            by_next: dict[int, list[_Token]] = {}
            for token, following in arcs:
                if token:
                    by_next.setdefault(following, []).append(token)
            ends = any(not token for token, _ in arcs)
            choices = [self._choice(tokens, following, names) for following, tokens in by_next.items()]
            if ends:
                choices.append("<NULL>")
            if choices:
                lines.append(f"{'public ' if number == self._root else ''}{names[number]} = {' | '.join(choices)};")
        return lines[::-1]

    def _choice(self, tokens: list[_Token], following: int, names: dict[int, str]) -> str:
        word = tokens[0] if len(tokens) == 1 else f"({' | '.join(tokens)})"
        return word if following == self._final else f"{word} {names[following]}"

    def _merge(self, node: _Trie) -> int:
        """The number of the state, after those that follow it; states with the same arcs are one."""
        arcs = tuple(sorted((token, self._merge(after) if token else -1) for token, after in node.items()))
        return self._states.setdefault(arcs, len(self._states))

    @property
    def _final(self) -> int:
        """The state where nothing more can be said."""
        return self._states.get((("", -1),), -1)
