"""JSpeech Grammar Format to a small word graph.

PocketSphinx reads JSGF itself, but copies a rule at each mention and keeps every alternative apart: for the thousand sentences
of the bundled skills that is too slow to decode and takes gigabytes. Here each rule becomes a minimal automaton first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\s*(?:(<[^<>\s]+>)|([\[\]()|;=*+])|([^\s\[\]()|;=*+<>/{}]+)|(\S))")
_HEADER = re.compile(r"^\s*#JSGF[^;]*;\s*grammar\s+[^;]+;")
_NOTHING = "<NULL>"  # JSGF's name for no word at all


class JsgfError(ValueError):
    """A grammar that is not JSGF, or uses what is not needed here (weights, tags, recursion, imports)."""


@dataclass(frozen=True)
class WordGraph:
    """All sentences as the paths from `start` to `final`. An arc without a word is free."""

    start: int
    final: int
    arcs: tuple[tuple[int, int, str | None], ...]  # from, to, word
    _next: dict[int, list[tuple[int, str | None]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        after: dict[int, list[tuple[int, str | None]]] = defaultdict(list)
        for source, target, word in self.arcs:
            after[source].append((target, word))
        object.__setattr__(self, "_next", dict(after))

    @property
    def states(self) -> int:
        """How many states there are; they are numbered from 0."""
        return 1 + max(max(source, target) for source, target, _ in self.arcs)

    def accepts(self, words: list[str]) -> bool:
        """Whether the words are one whole sentence."""
        at = self.free(self.start)
        for word in words:
            at = {end for state in at for target, label in self._next.get(state, ()) if label == word for end in self.free(target)}
        return self.final in at

    def free(self, state: int) -> set[int]:
        """The states that no word lies before, itself among them."""
        found, waiting = {state}, [state]
        while waiting:
            for target, label in self._next.get(waiting.pop(), ()):
                if label is None and target not in found:
                    found.add(target)
                    waiting.append(target)
        return found


def read_jsgf(text: str) -> WordGraph:
    """Read a grammar with one public rule. Raises JsgfError."""
    rules, public = _Parser(text).rules()
    automata: dict[str, _Automaton] = {}
    _compile(public, rules, automata, ())
    return _flatten(public, automata)


@dataclass
class _Automaton:
    """Deterministic; symbols are words and <rules>. State 0 is the start and has no arc into it."""

    arcs: list[dict[str, int]]
    final: frozenset[int]


class _Nfa:
    """Thompson's construction: a piece of grammar is a pair (entry, exit) of states."""

    def __init__(self) -> None:
        self.arcs: list[list[tuple[str | None, int]]] = []

    def state(self) -> int:
        self.arcs.append([])
        return len(self.arcs) - 1

    def join(self, source: int, target: int, symbol: str | None = None) -> None:
        self.arcs[source].append((symbol, target))

    def closure(self, states: set[int]) -> frozenset[int]:
        waiting = list(states)
        while waiting:
            for symbol, target in self.arcs[waiting.pop()]:
                if symbol is None and target not in states:
                    states.add(target)
                    waiting.append(target)
        return frozenset(states)


class _Parser:
    def __init__(self, text: str) -> None:
        header = _HEADER.match(text)
        if not header:
            raise JsgfError("a grammar begins with '#JSGF V1.0; grammar NAME;'")
        self._tokens = list(_tokens(text[header.end() :]))
        self._at = 0

    def rules(self) -> tuple[dict[str, _Automaton], str]:
        """Every rule's automaton by name, and the name of the public one."""
        rules: dict[str, _Automaton] = {}
        public = []
        while self._peek():
            is_public = self._peek() == "public"
            if is_public:
                self._take()
            name = self._take()
            if not _is_rule(name):
                raise JsgfError(f"expected a rule's <name>, found {name!r}")
            if name in rules:
                raise JsgfError(f"{name} is written twice")
            self._take("=")
            nfa = _Nfa()
            entry, end = self._alternatives(nfa)
            self._take(";")
            rules[name] = _minimal(_deterministic(nfa, entry, end))
            if is_public:
                public.append(name)
        if len(public) != 1:
            raise JsgfError(f"a grammar has one public rule, this has {len(public)}")
        return rules, public[0]

    def _alternatives(self, nfa: _Nfa) -> tuple[int, int]:
        entry, end = nfa.state(), nfa.state()
        while True:
            first, last = self._sequence(nfa)
            nfa.join(entry, first)
            nfa.join(last, end)
            if self._peek() != "|":
                return entry, end
            self._take()

    def _sequence(self, nfa: _Nfa) -> tuple[int, int]:
        entry = last = nfa.state()
        while self._peek() not in ("", "|", ")", "]", ";"):
            first, end = self._item(nfa)
            nfa.join(last, first)
            last = end
        if last == entry:
            raise JsgfError("an alternative is empty")
        return entry, last

    def _item(self, nfa: _Nfa) -> tuple[int, int]:
        token = self._take()
        if token in ("(", "["):
            first, last = self._alternatives(nfa)
            self._take(")" if token == "(" else "]")
            if token == "[":
                nfa.join(first, last)
        elif token in ("*", "+", "="):
            raise JsgfError(f"{token!r} stands after nothing")
        else:
            first, last = nfa.state(), nfa.state()
            nfa.join(first, last, None if token == _NOTHING else token)
        while self._peek() in ("*", "+"):
            first, last = _repeated(nfa, first, last, self._take() == "*")
        return first, last

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            before = " ".join(self._tokens[max(0, self._at - 5) : self._at])
            raise JsgfError(f"expected {wanted or 'more'}, found {token or 'the end'!r} after {before!r}")
        self._at += 1
        return token


def _repeated(nfa: _Nfa, first: int, last: int, may_be_none: bool) -> tuple[int, int]:
    entry, end = nfa.state(), nfa.state()
    nfa.join(entry, first)
    nfa.join(last, first)
    nfa.join(last, end)
    if may_be_none:
        nfa.join(entry, end)
    return entry, end


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)):
        if match[4]:
            raise JsgfError(f"{match[4]!r} is not understood")
        yield match[0].strip()


def _is_rule(symbol: str) -> bool:
    return symbol.startswith("<")


def _deterministic(nfa: _Nfa, entry: int, end: int) -> _Automaton:
    start = nfa.closure({entry})
    number = {start: 0}
    order = [start]
    arcs: list[dict[str, int]] = []
    for states in order:
        targets: dict[str, set[int]] = defaultdict(set)
        for state in states:
            for symbol, target in nfa.arcs[state]:
                if symbol is not None:
                    targets[symbol].add(target)
        row = {}
        for symbol in sorted(targets):
            reached = nfa.closure(targets[symbol])
            if reached not in number:
                number[reached] = len(order)
                order.append(reached)
            row[symbol] = number[reached]
        arcs.append(row)
    return _Automaton(arcs, frozenset(number[states] for states in order if end in states))


def _minimal(automaton: _Automaton) -> _Automaton:
    """Merge states that no continuation tells apart (Moore), then give the start a state of its own."""
    block = [int(state in automaton.final) for state in range(len(automaton.arcs))]
    count = 0
    while len(set(block)) != count:
        count = len(set(block))
        seen: dict[tuple[int, tuple[tuple[str, int], ...]], int] = {}
        block = [
            seen.setdefault((block[state], tuple((symbol, block[target]) for symbol, target in row.items())), len(seen))
            for state, row in enumerate(automaton.arcs)
        ]
    arcs: list[dict[str, int]] = [{} for _ in range(count + 1)]
    for state, row in enumerate(automaton.arcs):
        arcs[block[state] + 1] = {symbol: block[target] + 1 for symbol, target in row.items()}
    arcs[0] = arcs[block[0] + 1]
    final = {block[state] + 1 for state in automaton.final}
    return _reachable(_Automaton(arcs, frozenset(final | ({0} if 0 in automaton.final else set()))))


def _reachable(automaton: _Automaton) -> _Automaton:
    """Without the states that no sentence comes through: the copy of a start that nothing leads back to."""
    number = {0: 0}
    order = [0]
    for state in order:
        for target in automaton.arcs[state].values():
            if target not in number:
                number[target] = len(order)
                order.append(target)
    arcs = [{symbol: number[target] for symbol, target in automaton.arcs[state].items()} for state in order]
    return _Automaton(arcs, frozenset(number[state] for state in automaton.final if state in number))


def _compile(name: str, rules: dict[str, _Automaton], done: dict[str, _Automaton], above: tuple[str, ...]) -> None:
    """Gather the rules that `name` needs. Raises JsgfError where one is missing or mentions itself."""
    if name in above:
        raise JsgfError(f"{name} mentions itself")
    if name not in rules:
        raise JsgfError(f"there is no rule {name}")
    if name in done:
        return
    for symbol in {symbol for row in rules[name].arcs for symbol in row if _is_rule(symbol)}:
        _compile(symbol, rules, done, (*above, name))
    done[name] = rules[name]


def _flatten(public: str, automata: dict[str, _Automaton]) -> WordGraph:
    """One graph of words. A rule is copied once for each state that it leads to, however many mentions there are."""
    arcs: set[tuple[int, int, str | None]] = set()
    entries: dict[tuple[str, int], int] = {}
    states = 2  # 0 is the start, 1 the end

    def new_state() -> int:
        nonlocal states
        states += 1
        return states - 1

    def entry_of(name: str, end: int) -> int:
        if (name, end) not in entries:
            entries[name, end] = new_state()
            lay(automata[name], entries[name, end], end)
        return entries[name, end]

    def place_of(automaton: _Automaton, state: int, end: int) -> int:
        row = automaton.arcs[state]
        if len(row) == 1 and state not in automaton.final:  # nothing but a last mention: no state between
            symbol, target = next(iter(row.items()))
            if _is_rule(symbol) and target in automaton.final and not automaton.arcs[target]:
                return entry_of(symbol, end)
        return new_state()

    def lay(automaton: _Automaton, entry: int, end: int) -> None:
        place = {state: place_of(automaton, state, end) if row else end for state, row in enumerate(automaton.arcs) if state}
        place[0] = entry
        for state, row in enumerate(automaton.arcs):
            if state in automaton.final and place[state] != end:
                arcs.add((place[state], end, None))  # a sentence may end here or go on
            for symbol, target in row.items():
                if not _is_rule(symbol):
                    arcs.add((place[state], place[target], symbol))
                elif (inner := entry_of(symbol, place[target])) != place[state]:
                    arcs.add((place[state], inner, None))

    lay(automata[public], 0, 1)
    if not arcs:
        raise JsgfError("the grammar has no sentence")
    return WordGraph(0, 1, tuple(sorted(arcs, key=lambda arc: (arc[0], arc[1], arc[2] or ""))))
