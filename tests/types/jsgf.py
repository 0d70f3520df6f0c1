"""A tiny sampler of JSGF: what a speech grammar admits, the parsers must read."""

from __future__ import annotations

import random
import re

_TOKEN = re.compile(r"<[^>]+>|[()\[\]|+*]|[^\s()\[\]|+*<>;]+")


class Grammar:
    """Rules by name; `sample` makes one sentence of a rule."""

    def __init__(self, text: str) -> None:
        definitions = re.findall(r"(<[^>]+>)\s*=\s*([^;]*);", text)
        self.first = definitions[0][0]
        self._rules = {name: _alternatives(_TOKEN.findall(body)) for name, body in definitions}
        assert len(self._rules) == len(definitions), "a rule is defined twice"

    def sample(self, random_: random.Random, rule: str = "") -> str:
        return " ".join(self._words(("rule", rule or self.first), random_))

    def _words(self, node: tuple, random_: random.Random) -> list[str]:
        kind, content = node
        if kind == "word":
            return [content]
        if content == "<NULL>":  # the format's own: nothing is said
            return []
        if kind == "rule":
            return self._words(self._rules[content], random_)
        if kind == "choice":
            return self._words(random_.choice(content), random_)
        if kind == "optional":
            return self._words(content, random_) if random_.random() < 0.5 else []
        return [word for item in content for word in self._words(item, random_)]


def _alternatives(tokens: list[str]) -> tuple:
    node, at = _choice(tokens, 0)
    assert at == len(tokens), f"unbalanced: {tokens[at:]}"
    return node


def _choice(tokens: list[str], at: int) -> tuple[tuple, int]:
    sequences, sequence = [], []
    while at < len(tokens) and tokens[at] not in ")]":
        token = tokens[at]
        at += 1
        if token == "|":
            sequences.append(("sequence", sequence))
            sequence = []
        elif token in "([":
            inner, at = _choice(tokens, at)
            assert tokens[at] == {"(": ")", "[": "]"}[token]
            at += 1
            sequence.append(("optional", inner) if token == "[" else inner)
        else:
            sequence.append(("rule" if token.startswith("<") else "word", token))
    assert all(items for _, items in [*sequences, ("sequence", sequence)]), "an empty alternative"
    return ("choice", [*sequences, ("sequence", sequence)]), at
