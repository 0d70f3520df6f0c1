"""PhraseBook → the speech grammar of the closed-phrase engine, in JSGF (JSpeech Grammar Format 1.0).

What a decoder pays for is states, so phrases share what they can: lead-ins ("could you please") and tails are there once, phrases
with one beginning or ending share it, and the phrases of a skill that have a slot in the middle share the slot's values. The last
goes further than the examples: each beginning before a slot may go with each ending after it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from otto.choices import ChoiceOrder, choice_orders
from otto.control import PHRASES
from otto.fillers import LEADS, TAILS, without_fillers
from otto.messages import SpeechGrammar
from otto.parameters import Parameter
from otto.phrases import PhraseBook, Slot, Template
from otto.skill import OTHER, SkillSpec
from otto.types import AppName, Location, Number, SpokenType
from otto.words import split_words

if TYPE_CHECKING:
    from otto.registry import Registry

LONGEST = 9  # words and slots of a phrase without lead-in and tail; longer ones are one person's own
MANY = 60  # templates of a skill from which on its rarest ways to say a thing are left out
LONGEST_VALUE = 5  # words of a text that is in the grammar because an example has it
_SAYABLE = re.compile(r"[a-z]+(?:'[a-z]+)*")

_HEAD = (
    "#JSGF V1.0;",
    "grammar commands;",
    "public <command> = [<lead>] <phrase> [<tail>];",
    *(f"{rule} = {' | '.join(' '.join(words) for words in fillers)};" for rule, fillers in (("<lead>", LEADS), ("<tail>", TAILS))),
)

_Token = str  # a word, or "<rule>"
_Phrase = tuple[_Token, ...]
_Trie: TypeAlias = "dict[_Token, _Trie]"


def spoken_to_otto(registry: Registry, cache: Path) -> SpeechGrammar:
    """The grammar of all that is said to Otto: the phrases of the installed skills, and the talk about the conversation itself."""
    about = (phrase for phrases in PHRASES.values() for phrase in phrases)
    return speech_grammar(PhraseBook.open(registry, cache), registry, also=about)


def speech_grammar(book: PhraseBook, specs: Iterable[SkillSpec], longest: int = LONGEST, also: Iterable[str] = ()) -> SpeechGrammar:
    """The grammar of every phrase that can be said in plain words, its values as rules of their own; `also`: sentences without values."""
    specs = list(specs)
    grammar = _Grammar(book, specs)
    ordered = choice_orders(specs)
    for template in _common([template for template in book.templates if template.skill != OTHER and template.skill not in ordered]):
        grammar.add(template, longest)
    for order in ordered.values():
        grammar.add_order(order)
    grammar.add_plain(also)
    return _with_words(grammar.text())


def answer_grammar(answers: Iterable[str]) -> SpeechGrammar:
    """The grammar of the answers to a question, with what people say around them. Raises ValueError where none can be said in plain words."""
    phrases = {tuple(spoken.split()) for answer in answers if (spoken := _spoken(answer))}
    if not phrases:
        raise ValueError("no answer can be said in plain words")
    return _with_words("\n".join([*_HEAD, *_Graph(phrases).rules("<phrase>")]) + "\n")


def _with_words(text: str) -> SpeechGrammar:
    bodies = re.sub(r"<[^>]*>|^grammar .*|^#.*|\bpublic\b", " ", text, flags=re.MULTILINE)
    return SpeechGrammar(text, tuple(sorted(set(_SAYABLE.findall(bodies)))))


def _common(templates: Iterable[Template]) -> Iterator[Template]:
    """The templates that people share. Of a skill with many, those with two words in a row that no other has are left out.

    They are one person's own, or mistyped; hardly anybody says them again, and each is one more sentence to take another for.
    """
    by_skill: dict[str, list[Template]] = {}
    for template in templates:
        by_skill.setdefault(template.skill, []).append(template)
    for own in by_skill.values():
        counts = Counter(pair for template in own for pair in _pairs(template))
        yield from (template for template in own if len(own) < MANY or all(counts[pair] > 1 for pair in _pairs(template)))


def _pairs(template: Template) -> set[tuple[str, str]]:
    return set(pairwise(["<", *map(str, template.tokens), ">"]))


class _Grammar:
    """Collects the rules."""

    def __init__(self, book: PhraseBook, specs: Sequence[SkillSpec]) -> None:
        self._book = book
        self._specs = {spec.name: spec for spec in specs}
        self._values: dict[str, str] = {}  # rule of a slot's values → its text
        self._asked: set[type[SpokenType]] = set()
        self._graphs: defaultdict[str, set[_Phrase]] = defaultdict(set)  # rule → its phrases

    def add(self, template: Template, longest: int) -> None:
        """Add a template, unless it is too long or cannot be said in plain words."""
        spec = self._specs.get(template.skill)
        tokens = self._spoken_tokens(template, spec) if spec else ()
        first, last = without_fillers([str(token) for token in tokens])[-1] if tokens else (0, 0)
        if spec and 0 < last - first <= longest:
            self._graphs["<phrase>"].add(self._split(spec, tokens[first:last], ()))

    def add_order(self, order: ChoiceOrder) -> None:
        """Add all orders of a skill whose choices are said in chains."""
        for parameter in order.parameters:
            rule = _choice_rule(order, parameter)
            self._values[rule] = f"{rule} = {' | '.join(order.values(parameter))};"
        for head in order.heads:
            self._graphs["<phrase>"].add((*head, f"<{order.skill}_start>"))
        for rule, choices in order.rules(lambda parameter: _choice_rule(order, parameter)).items():
            self._values[rule] = f"{rule} = {' | '.join(choices)};"

    def add_plain(self, phrases: Iterable[str]) -> None:
        """Add sentences without values."""
        self._graphs["<phrase>"].update(tuple(phrase.split()) for phrase in phrases)

    def text(self) -> str:
        """The whole grammar."""
        lines = [*_HEAD]
        for rule, phrases in self._graphs.items():
            lines += _Graph(phrases).rules(rule)
        return "\n".join([*lines, *self._values.values()]) + "\n"

    def _spoken_tokens(self, template: Template, spec: SkillSpec) -> tuple[str | Slot, ...]:
        tokens: list[str | Slot] = []
        for token in template.tokens:
            if token == "'s" and tokens and isinstance(tokens[-1], str):
                tokens[-1] += token
            elif isinstance(token, Slot):
                if not self._slot_rule(spec, spec.parameter(token.parameter)):
                    return ()
                tokens.append(token)
            elif _SAYABLE.fullmatch(token):
                tokens.append(token)
            else:
                return ()
        return tuple(tokens)

    def _split(self, spec: SkillSpec, tokens: tuple[str | Slot, ...], before: tuple[str, ...]) -> _Phrase:
        """The tokens up to the first slot that more follows, and there the rule of all that may follow this slot."""
        phrase: list[_Token] = []
        for place, token in enumerate(tokens):
            if isinstance(token, str):
                phrase.append(token)
                continue
            phrase.append(self._slot_rule(spec, spec.parameter(token.parameter)))
            if place + 1 < len(tokens):
                seen = (*before, token.parameter)
                after = f"<{spec.name}_after_{'_'.join(seen)}>"
                rest = self._split(spec, tokens[place + 1 :], seen)
                self._graphs[after].add(rest)
                return (*phrase, after)
        return tuple(phrase)

    def _slot_rule(self, spec: SkillSpec, parameter: Parameter) -> _Token:
        """The name of the rule for a slot's values, "" if there is none: its type's own, with what the examples say where that lists names."""
        kind = parameter.spoken or (Number if parameter.plain in (int, float) else None)
        type_rule = self._type_rule(kind) if kind else ""
        if type_rule and kind not in (AppName, Location):
            return type_rule
        name = f"<{spec.name}_{parameter.name}>"
        if name not in self._values:
            samples = parameter.spoken.samples if parameter.spoken else ()
            said = [_spoken(value) for value in (*self._book.values(spec.name, parameter.name), *samples)]
            choices = [value for value in dict.fromkeys(said) if value and len(value.split()) <= LONGEST_VALUE]
            choices += [type_rule] if type_rule else []
            if not choices:
                return ""
            self._values[name] = f"{name} = {' | '.join(choices)};"
        return name

    def _type_rule(self, kind: type[SpokenType]) -> _Token:
        """The rule that a type brings itself, "" if its values cannot be listed."""
        name = f"<{kind.__name__}>"
        if kind not in self._asked:
            self._asked.add(kind)
            if listed := kind.jsgf():
                self._values[name] = listed.rstrip()
        return name if name in self._values else ""


def _choice_rule(order: ChoiceOrder, parameter: str) -> str:
    return f"<{order.skill}_{parameter}>"


def _spoken(value: str) -> str:
    """A value in plain lower-case words, "" where it has digits or marks that nobody can pronounce for sure."""
    words = " ".join(word.text for word in split_words(value)).replace(" 's", "'s").split()
    return " ".join(words) if words and all(_SAYABLE.fullmatch(word) for word in words) else ""


class _Graph:
    """Phrases as a minimal word graph: equal beginnings and equal endings are there once."""

    def __init__(self, phrases: Iterable[_Phrase]) -> None:
        trie: _Trie = {}
        for phrase in phrases:
            node = trie
            for token in phrase:
                node = node.setdefault(token, {})
            node[""] = {}  # a phrase may end here
        self._states: dict[tuple[tuple[_Token, int], ...], int] = {}
        self._root = self._merge(trie)

    def rules(self, name: str) -> list[str]:
        """The graph as right-recursive rules, one a state, the first of them called `name`."""
        names = {number: name if number == self._root else f"{name[:-1]}_{number}>" for number in self._states.values()}
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
                lines.append(f"{names[number]} = {' | '.join(choices)};")
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
