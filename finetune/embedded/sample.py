"""What the Llama sees in one step: a skill list, and sentences with the calls they should become under that list.

Lists vary, so that the model reads signatures and does not learn one list by heart; a sentence whose skill is not on the list
becomes `other()`, which is how it learns to leave alone what no skill covers.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from finetune.embedded.rows import Row
from otto.prompt import embedded_prefix, embedded_suffix
from otto.router.format import span_call
from otto.skill import OTHER, SkillSpec
from otto.types import AppName, Location

FILLERS = tuple(
    tuple(text.split())
    for text in (
        "um|uh|okay|please|hey otto|otto|so|like|hey|can you|could you please|i want you to|ok so|well|hmm|right|alright|hi otto|uh so|just"
    ).split("|")
)
TAILS = tuple(tuple(text.split()) for text in "please|thanks|for me|now|right now|okay|if you can|thank you|will you|otto".split("|"))
STEPS_A_LIST = 4
OWN_VALUE = 0.35  # how often a value gives way to another of its parameter
ANY_VALUE = 0.25  # and to any words where the parameter takes any: the model must learn to copy what it has never seen


@dataclass(frozen=True)
class Source:
    """Skills and rows that belong together; `strays` are sentences that none of the skills covers."""

    name: str
    specs: tuple[SkillSpec, ...]
    rows: tuple[Row, ...]
    strays: tuple[Row, ...] = ()
    weight: float = 1.0
    fixed_list: float = 0.0  # how often the list is all skills in their own order, as the router will see it


@dataclass(frozen=True)
class Step:
    """One optimiser step: the prompts share the prefix."""

    prefix: str
    pairs: tuple[tuple[str, str], ...]  # (suffix, call)


def steps(sources: Sequence[Source], size: int, seed: int, without_list: int = 0) -> Iterator[Step]:
    """Steps of `size` sentences without end, the sources mixed by weight.

    The first `without_list` have an empty skill list: over a long one, attention is spread so thin at first that nothing of the
    sentence is learnt for a thousand steps.
    """
    rng = random.Random(seed)
    samplers = [_Sampler(source, rng) for source in sources]
    count = 0
    while True:
        for step in rng.choices(samplers, [source.weight for source in sources])[0].steps(size, listed=count >= without_list):
            count += 1
            yield step


class _Sampler:
    def __init__(self, source: Source, rng: random.Random) -> None:
        self.source, self.rng = source, rng
        self.by_skill: dict[str, list[Row]] = defaultdict(list)
        self.values: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
        for row in source.rows:
            self.by_skill[row.skill].append(row)
            for span in row.spans:
                self.values[row.skill, span.parameter].append(row.words[span.first : span.last + 1])
        self.specs = {spec.name: spec for spec in source.specs if spec.name != OTHER}

    def steps(self, size: int, listed: bool) -> Iterator[Step]:
        """A few steps under one list, each of sentences of like length: padding is wasted work."""
        names = list(self.specs)
        if listed and self.rng.random() >= self.source.fixed_list:
            names = self.rng.sample(names, self.rng.randint(min(3, len(names)), min(18, len(names))))
        known = set(names)
        pairs = []
        for _ in range(size * STEPS_A_LIST):
            row = self._row(names, known)
            spec = self.specs.get(row.skill) if row.skill in known else None
            call = span_call(spec, row.words, row.spans, row.fixed) if spec else f"{OTHER}()"
            pairs.append((embedded_suffix(" ".join(row.words)), call))
        prefix = embedded_prefix(self.specs[name] for name in names if listed)
        pairs.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        groups = [pairs[start : start + size] for start in range(0, len(pairs), size)]
        self.rng.shuffle(groups)
        return (Step(prefix, tuple(group)) for group in groups)

    def _row(self, names: list[str], known: set[str]) -> Row:
        kind = self.rng.random()
        absent = [name for name in self.specs if name not in known]
        if kind < 0.18 and self.by_skill[OTHER]:
            return self._varied(self.rng.choice(self.by_skill[OTHER]))
        if kind < 0.27 and self.source.strays:
            return self.rng.choice(self.source.strays)
        if kind < 0.33 and absent:
            return self._from(self.rng.choice(absent))
        return self._varied(self._from(self.rng.choice(names)))

    def _from(self, name: str) -> Row:
        rows = self.by_skill[name] or self.source.rows
        return self.rng.choice(rows)

    def _varied(self, row: Row) -> Row:
        for span in row.spans:
            current = next(item for item in row.spans if item.parameter == span.parameter)
            kind = self.rng.random()
            if kind < OWN_VALUE:
                row = row.with_value(current, self.rng.choice(self.values[row.skill, span.parameter]))
            elif kind < OWN_VALUE + ANY_VALUE and self._longest(row.skill, span.parameter):
                row = row.with_value(current, self._any_words(self._longest(row.skill, span.parameter)))
        if self.rng.random() < 0.15:
            row = _after(row, self.rng.choice(FILLERS))
        if self.rng.random() < 0.1 and not self._ends_open(row):
            row = replace(row, words=row.words + self.rng.choice(TAILS))
        if self.rng.random() < 0.06:
            row = _mistyped(row, self.rng)
        return row

    def _longest(self, skill: str, name: str) -> int:
        """How many words of any kind may stand for a value: texts and names say nothing of what they are made of; 0 for all others."""
        parameter = self.specs[skill].parameter(name)
        return 8 if parameter.free_text else 3 if parameter.spoken in (AppName, Location) else 0

    def _any_words(self, longest: int) -> tuple[str, ...]:
        """Some words that follow each other in any sentence."""
        words = self.rng.choice(self.rng.choice((self.source.rows, self.source.strays or self.source.rows))).words
        count = self.rng.randint(1, min(longest, len(words)))
        start = self.rng.randint(0, len(words) - count)
        return words[start : start + count]

    def _ends_open(self, row: Row) -> bool:
        """Whether a word put at the end might belong to the last value."""
        last = row.spans[-1] if row.spans else None
        return last is not None and last.last == len(row.words) - 1 and self.specs[row.skill].parameter(last.parameter).free_text


def _after(row: Row, lead: tuple[str, ...]) -> Row:
    spans = tuple(replace(span, first=span.first + len(lead), last=span.last + len(lead)) for span in row.spans)
    return replace(row, words=lead + row.words, spans=spans)


def _mistyped(row: Row, rng: random.Random) -> Row:
    """One word with two letters swapped or one lost."""
    index = rng.randrange(len(row.words))
    word = row.words[index]
    if len(word) < 4 or not word.isalpha():
        return row
    at = rng.randrange(1, len(word) - 1)
    wrong = word[:at] + word[at + 1 :] if rng.random() < 0.5 else word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return replace(row, words=(*row.words[:index], wrong, *row.words[index + 1 :]))
