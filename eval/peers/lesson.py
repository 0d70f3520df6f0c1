"""What a peer is made from: sentence templates and values, written from the same examples that Otto's engines learn from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from otto.align import Aligned, align
from otto.call import Call
from otto.errors import OttoError
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec

# What a user of a template engine lists as words to skip; Otto's PhraseBook takes the same ones off.
SKIP_WORDS = "please|thanks|thank you|hey otto|okay otto|hello otto|otto|um|uh|can you|could you|would you|for me".split("|")
REPEATED = 3  # times that a value is said on average, or the slot is one of any words
_LETTERS = "abcdefghij"
_NOT_WORDS = re.compile(r"[()\[\]{}<>|\\.,;:!?…\"“”«»¿¡*#]")


@dataclass
class Slot:
    """A parameter of a skill, with the values that the examples say."""

    skill: str
    parameter: str
    declared_free: bool | None  # whether the declaration says "any words"; None where it does not tell
    values: Counter[str] = field(default_factory=Counter)

    @property
    def free(self) -> bool:
        """Any words: by its declaration, or since its examples hardly ever say a value again."""
        return sum(self.values.values()) < REPEATED * len(self.values) if self.declared_free is None else self.declared_free


@dataclass
class Intent:
    """A skill with the arguments that no word of its sentences says, such as action="add"."""

    skill: str
    fixed: tuple[tuple[str, Any], ...]
    templates: dict[str, None] = field(default_factory=dict)  # "set a timer for {sa}"


@dataclass
class Lesson:
    """What a peer is made from, and the way back from its answers to calls. Slots have names that every peer takes."""

    specs: Mapping[str, SkillSpec]
    intents: list[Intent] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    unused: int = 0  # examples that no template can express
    examples: int = 0

    @classmethod
    def of(cls, registry: Registry) -> Lesson:
        """From the examples of the skills."""
        lesson = cls(registry.specs)
        intents: dict[tuple[str, tuple[tuple[str, Any], ...]], Intent] = {}
        slots: dict[tuple[str, str], int] = {}
        for spec in registry:
            for example in spec.examples if spec.name != OTHER else ():
                if example.call.name != spec.name:
                    continue  # it shows what is not meant
                lesson.examples += 1
                aligned = align(spec, example)
                template = lesson._template(spec, aligned, slots) if _is_usable(aligned) else ""
                if re.sub(r"\{.*?\}", "", template).strip():  # a slot alone would match anything
                    intents.setdefault((spec.name, aligned.fixed), Intent(spec.name, aligned.fixed)).templates[template] = None
                else:
                    lesson.unused += 1
        lesson.intents = list(intents.values())
        return lesson

    def to_json(self, peer: str) -> dict[str, Any]:
        """As the worker reads it."""
        return {
            "peer": peer,
            "intents": [list(intent.templates) for intent in self.intents],
            "slots": {slot_name(number): self._slot_json(slot) for number, slot in enumerate(self.slots)},
            "skip_words": SKIP_WORDS,
        }

    def call(self, text: str, intent: int, values: Mapping[str, str]) -> Call:
        """The call of a peer's answer. What it captured goes through Otto's normalisers; a value that they refuse is no command."""
        found = self.intents[intent]
        spec = self.specs[found.skill]
        said = {self.slots[slot_number(name)].parameter: as_said(value, text) for name, value in values.items()}
        return checked(spec, Call(spec.name, {**dict(found.fixed), **said}))

    def _slot_json(self, slot: Slot) -> dict[str, Any]:
        spoken = self.specs[slot.skill].parameter(slot.parameter).spoken
        values = dict.fromkeys(plain_words(value) for value in (*slot.values, *(spoken.samples if spoken else ())))
        return {"free": slot.free, "values": [value for value in values if value]}

    def _template(self, spec: SkillSpec, aligned: Aligned, numbers: dict[tuple[str, str], int]) -> str:
        """The example's own text with `{slot}` in place of its values, which are noted; sentence marks go."""
        text, parts, at = aligned.example.text, [], 0
        for span in aligned.spans:
            number = numbers.setdefault((spec.name, span.parameter), len(self.slots))
            if number == len(self.slots):
                # A signature has no type but text, so that its text may well be one of a list; a skill that says `str` means any words.
                parameter = spec.parameter(span.parameter)
                free = None if spec.target is None and parameter.free_text else parameter.free_text
                self.slots.append(Slot(spec.name, span.parameter, free))
            self.slots[number].values[plain_words(aligned.said(span)).lower()] += 1
            parts += [_NOT_WORDS.sub(" ", text[at : aligned.words[span.first].start]), f"{{{slot_name(number)}}}"]
            at = aligned.words[span.last].end
        return " ".join("".join([*parts, _NOT_WORDS.sub(" ", text[at:])]).split())


def slot_name(number: int) -> str:
    """`sa`, `sb`, … `sba`: padatious takes a digit in a name apart."""
    return "s" + "".join(_LETTERS[int(digit)] for digit in str(number))


def slot_number(name: str) -> int:
    """The slot of a name. Raises ValueError where there is none."""
    return int("".join(str(_LETTERS.index(letter)) for letter in name[1:]))


def plain_words(text: str) -> str:
    """Without sentence marks and what means something in a template."""
    return " ".join(_NOT_WORDS.sub(" ", text).split())


def as_said(value: str, text: str) -> str:
    """A captured value as it stands in the sentence, where it does: peers give it back in lower case, or without its marks."""
    words = [re.escape(word) for word in plain_words(value).split()]
    found = re.search(r"(?<!\w)" + r"[\W_]+".join(words) + r"(?!\w)", text, re.IGNORECASE) if words else None
    return found[0] if found else value.strip()


def checked(spec: SkillSpec, call: Call) -> Call:
    """The call in its canonical form, `other()` where its values do not fit."""
    try:
        return spec.canonical(call)
    except OttoError:
        return Call(OTHER)


def _is_usable(aligned: Aligned) -> bool:
    names: Iterable[str] = [span.parameter for span in aligned.spans]
    return bool(aligned.words) and not aligned.missing and not aligned.example.is_template and len(list(names)) == len(set(names))
