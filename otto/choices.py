"""Skills that are ordered like coffee: several Literals whose values are said word for word, in one chain.

"make me a large dark roast latte with soy milk" has four of them, and no number of examples holds every combination. So the examples of such a skill
are taken apart: what stands before the first value (heads), which value may follow which and with what words between them (links),
and after which the sentence may end. Anything that these make is a phrase; no value is given twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from otto.call import Call
from otto.fillers import without_fillers
from otto.parameters import Parameter
from otto.skill import Example, SkillSpec
from otto.words import split_words

_Words = tuple[str, ...]
_SEVERAL = 2  # parameters; with one, plain examples hold all there is to say


@dataclass(frozen=True)
class Link:
    """After `previous` ("" at the start of the chain), `words` and then a value of `parameter` may follow."""

    previous: str
    words: _Words
    parameter: str


@dataclass(frozen=True)
class ChoiceOrder:
    """The phrases of one skill."""

    skill: str
    parameters: Mapping[str, Parameter]
    heads: frozenset[_Words]
    links: frozenset[Link]
    ends: frozenset[str]  # parameters after which a sentence may end

    def values(self, parameter: str) -> list[str]:
        """All values of a parameter as they are said, longest first."""
        said = (" ".join(_words(str(choice))) for choice in self.parameters[parameter].choices)
        return sorted(said, key=lambda value: -len(value.split()))

    def match(self, words: Sequence[str]) -> Call | None:
        """The call of a sentence without lead-in and tail; None where it is no phrase, or is two with different calls."""
        texts = tuple(words)
        found = [
            Call(self.skill, {name: chosen[name] for name in self.parameters if name in chosen})
            for head in self.heads
            if texts[: len(head)] == head
            for chosen in self._chains(texts[len(head) :], "", {})
        ]
        return found[0] if found and all(call == found[0] for call in found) else None

    def rules(self, value_rule: Callable[[str], str]) -> dict[str, list[str]]:
        """Rule → alternatives, in JSGF; the first rule is `<SKILL_start>`. `value_rule` names the rule of a parameter's values."""
        rules: dict[str, list[str]] = {}
        waiting: list[tuple[str, frozenset[str]]] = [("", frozenset())]
        for previous, used in waiting:
            choices = []
            for link in self._following(previous, used):
                state = (link.parameter, used | {link.parameter})
                if state not in waiting:
                    waiting.append(state)
                choices.append(" ".join([*link.words, value_rule(link.parameter), self._state_name(*state)]))
            if self._may_end(previous, used):
                choices.append("<NULL>")
            rules[self._state_name(previous, used)] = choices
        return _without_dead_ends(rules)

    def _chains(self, words: _Words, previous: str, chosen: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        if not words:
            if self._may_end(previous, chosen):
                yield chosen
            return
        for link in self._following(previous, chosen):
            if words[: len(link.words)] != link.words:
                continue
            rest = words[len(link.words) :]
            for choice in self.parameters[link.parameter].choices:
                said = _words(str(choice))
                if rest[: len(said)] == said:
                    yield from self._chains(rest[len(said) :], link.parameter, {**chosen, link.parameter: choice})

    def _following(self, previous: str, used: Iterable[str]) -> list[Link]:
        taken = set(used)
        links = (link for link in self.links if link.previous == previous and link.parameter not in taken)
        return sorted(links, key=lambda link: (link.parameter, link.words))

    def _may_end(self, previous: str, used: Iterable[str]) -> bool:
        return previous in self.ends and all(parameter.name in used for parameter in self.parameters.values() if parameter.required)

    def _state_name(self, previous: str, used: frozenset[str]) -> str:
        return f"<{self.skill}_{'_'.join(['after', previous, *sorted(used - {previous})]) if previous else 'start'}>"


def choice_orders(specs: Iterable[SkillSpec]) -> dict[str, ChoiceOrder]:
    """Skill → its order, for the skills that are of this kind: several parameters, all Literals, each said word for word in all examples."""
    found = {}
    for spec in specs:
        if len(spec.parameters) < _SEVERAL or not all(_is_said(parameter) for parameter in spec.parameters):
            continue
        chains = [_chain(spec, example) for example in spec.examples if example.call.name == spec.name]
        if chains and all(chain is not None for chain in chains):
            found[spec.name] = _order(spec, [chain for chain in chains if chain])
    return found


def _is_said(parameter: Parameter) -> bool:
    return bool(parameter.choices) and all(isinstance(choice, str) for choice in parameter.choices) and not parameter.is_list


_Chain = tuple[list[Link], bool]  # a head is the words of the first link; whether words follow the last value


def _chain(spec: SkillSpec, example: Example) -> _Chain | None:
    """An example taken apart at its values; None where one of them is not in its words."""
    texts = [word.text for word in split_words(example.text)]
    first, last = without_fillers(texts)[-1]
    words = tuple(texts[first:last])
    places = []
    for name, value in example.call.arguments.items():
        said = _words(str(value))
        at = [start for start in range(len(words)) if words[start : start + len(said)] == said]
        if not at:
            return None
        places.append((at[0], at[0] + len(said), name))
    links = []
    end, previous = 0, ""
    for start, stop, name in sorted(places):
        if start < end:
            return None
        links.append(Link(previous, words[end:start], name))
        end, previous = stop, name
    return (links, end < len(words)) if links else None


def _order(spec: SkillSpec, chains: Sequence[_Chain]) -> ChoiceOrder:
    links = {link for chain, _ in chains for link in chain[1:]}
    links |= {Link("", (), chain[0].parameter) for chain, _ in chains}
    heads = frozenset(chain[0].words for chain, _ in chains)
    ends = frozenset(chain[-1].parameter for chain, more in chains if not more)
    return ChoiceOrder(spec.name, {parameter.name: parameter for parameter in spec.parameters}, heads, frozenset(links), ends)


def _words(text: str) -> _Words:
    return tuple(word.text for word in split_words(text))


def _without_dead_ends(rules: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leave out the states from which no sentence can end (the drink was never named)."""
    while dead := {rule for rule, choices in rules.items() if not choices}:
        rules = {rule: [choice for choice in choices if choice.split()[-1] not in dead] for rule, choices in rules.items() if rule not in dead}
    return rules
