"""Sentences to speak: those of the bundled skills' examples, the same with other values, and words in no order.

What is held out is held out by template and by value, as for the embedded router: its sentence and its value are spoken nowhere in training.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from finetune.embedded.rows import Row, rows_of_examples
from finetune.embedded.split import Split, share, split_rows
from otto.phrases import PhraseBook, Slot, Template
from otto.skill import OTHER, Example, SkillSpec
from otto.types import Location
from otto.types.names import large_cities
from otto.words import normal_text

HELD_OUT = 0.1  # of the templates, and of the values
LONGEST = 16  # words that are spoken in training
_DIGITS = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBERS = {word: group for group in (_DIGITS, _TEENS, _TENS) for word in group}


@dataclass(frozen=True)
class Texts:
    """Sentences in plain lower-case words."""

    own: tuple[str, ...]  # of the examples, to learn from
    sampled: tuple[str, ...]  # of the examples' templates with other values
    loose: tuple[str, ...]  # words in no order, so that sounds are heard and not only sentences
    held_out: tuple[str, ...]  # commands with a template or a value that none of the others has


def spoken(text: str) -> str:
    """A sentence in plain lower-case words, "" where it has digits, marks, or a word that no pronouncing dictionary has.

    A mistyped word, of which the examples have many, is said as it is written, and nobody can hear how that was.
    """
    words = normal_text(text).replace(" 's", "'s").split()
    return " ".join(words) if words and all(word in dictionary() for word in words) else ""


def texts_of(specs: Sequence[SkillSpec], sampled: int, loose: int, seed: int) -> Texts:
    """All sentences. The words in no order are those of the examples and common English."""
    rng = random.Random(seed)
    split = split_rows(rows_of_examples(specs), templates=HELD_OUT, values=HELD_OUT)
    held_out = tuple(dict.fromkeys(text for row in split.held_out if row.skill != OTHER and (text := spoken(row.text))))
    own = tuple(text for row in split.train if (text := spoken(row.text)) and len(text.split()) <= LONGEST and text not in held_out)
    sampler = _Sampler(specs, split, rng)
    more = tuple(text for _ in range(sampled) if (text := sampler.sentence()) and text not in held_out)
    known = sorted({word for text in own for word in text.split()})
    common = sorted(set(_common_words()) - {word for text in held_out for word in text.split()})
    salad = tuple(" ".join(rng.choice(common if rng.random() < 0.5 else known) for _ in range(rng.randint(2, 7))) for _ in range(loose))
    return Texts(own, more, salad, held_out)


class _Sampler:
    """Sentences of the templates of the training part, with values and numbers that are not held out."""

    def __init__(self, specs: Sequence[SkillSpec], split: Split, rng: random.Random) -> None:
        self._rng = rng
        learnt = [row for row in split.train if row.skill != OTHER]
        self._specs = {spec.name: replace(spec, examples=tuple(_example(row) for row in learnt if row.skill == spec.name)) for spec in specs}
        book = PhraseBook(self._specs.values())
        self._templates = [template for template in book.templates if any(isinstance(token, Slot) for token in template.tokens)]
        self._book = book
        self._values: dict[tuple[str, str], list[str]] = {}

    def sentence(self) -> str:
        """One sentence, "" where it cannot be said or would be too long."""
        template = self._rng.choice(self._templates)
        words = [self._value(template, token) if isinstance(token, Slot) else token for token in template.tokens]
        text = spoken(" ".join(words)) if all(words) else ""
        return text if len(text.split()) <= LONGEST else ""

    def _value(self, template: Template, slot: Slot) -> str:
        key = (template.skill, slot.parameter)
        if key not in self._values:
            parameter = self._specs[template.skill].parameter(slot.parameter)
            listed = large_cities() if parameter.spoken is Location else ()
            values = (*self._book.values(*key), *(parameter.spoken.samples if parameter.spoken else ()), *listed)
            self._values[key] = [value for value in dict.fromkeys(values) if spoken(value)]
        value = self._other_numbers(self._rng.choice(self._values[key])) if self._values[key] else ""
        return "" if share(f"value {normal_text(value)}") < HELD_OUT else value

    def _other_numbers(self, value: str) -> str:
        """Each number word replaced by another of its kind, half of the time."""
        if self._rng.random() < 0.5:
            return value
        return " ".join(self._rng.choice(_NUMBERS[word]) if word in _NUMBERS else word for word in spoken(value).split())


def _example(row: Row) -> Example:
    return Example(row.text, row.call)


@cache
def dictionary() -> frozenset[str]:
    """The words of the CMU pronouncing dictionary, as PocketSphinx carries it."""
    from pocketsphinx import get_model_path

    lines = Path(get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
    return frozenset(line.split(" ")[0] for line in lines)


def _common_words() -> list[str]:
    """Common English words, from the vocabulary that the sentence encoder of the embedded router was pretrained with."""
    from finetune.embedded.encoder import pretrained

    words = (pretrained() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return [word for word in words if re.fullmatch("[a-z]{3,}", word) and word in dictionary()]
