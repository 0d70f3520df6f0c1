"""What may be a new example of a skill, and whether it is one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from otto.align import align
from otto.call import Call
from otto.errors import OttoError
from otto.examples import ASSISTANT, USER
from otto.registry import Registry
from otto.skill import OTHER, Example, SkillSpec
from otto.words import normal_text

NEAR = 95.0  # similarity in percent from which two sentences are the same one
MAX_WORDS = 60
_FORBIDDEN = re.compile(r"<\|[^|<>\s]*\|>|\[/?INST\]|<</?SYS>>|</?s>|[\x00-\x1f\x7f]|^#|[{}]")


@dataclass(frozen=True)
class Candidate:
    """A new example, or one that was set aside: then `why` says what for."""

    said: str
    call: str
    why: str = ""

    @property
    def reason(self) -> str:
        """Why it was set aside, without the particulars."""
        return re.split(" of '| \\(| as ", self.why)[0]

    @property
    def example(self) -> Example:
        return Example(self.said, Call.parse(self.call))

    def __str__(self) -> str:
        return f"{USER} {self.said}\n{ASSISTANT} {self.call}\n"


@dataclass
class Checker:
    """Decides what is a new example of a skill."""

    spec: SkillSpec
    registry: Registry
    near: float = NEAR
    _known: dict[str, Call] = field(default_factory=dict)  # normal text → call, of all skills
    _own: list[str] = field(default_factory=list)  # normal texts of this skill

    def __post_init__(self) -> None:
        for spec in self.registry:
            for example in spec.examples:
                self._learn(example.text, example.call, own=spec.name == self.spec.name)

    def check(self, said: Any, arguments: Any) -> Candidate:
        """An answer's example; a new one is known from here on."""
        if not isinstance(said, str) or not isinstance(arguments, dict):
            return Candidate(str(said)[:200], str(arguments)[:200], "not in the format")
        said = " ".join(said.split()) if "\n" not in said.strip() else said
        shown = f"{self.spec.name}({arguments})"
        try:
            call = Call(self.spec.name, {name: value for name, value in arguments.items() if value is not None or self._nullable(name)})
            call = call if self.spec.name == OTHER and not call.arguments else self.spec.canonical(call)
        except OttoError as error:
            return Candidate(said, shown, f"no valid call ({error.what})")
        candidate = Candidate(said, str(call), self._fault(said, call))
        if not candidate.why:
            self._learn(said, call, own=True)
        return candidate

    def accept(self, examples: Iterable[Example]) -> None:
        """Know what an earlier run found, or a file that is added to has."""
        for example in examples:
            self._learn(example.text, example.call, own=example.call.name == self.spec.name)

    def _nullable(self, name: str) -> bool:
        return any(parameter.name == name and parameter.nullable and parameter.required for parameter in self.spec.parameters)

    def _learn(self, said: str, call: Call, own: bool) -> None:
        text = normal_text(said)
        self._known[text] = call
        if own:
            self._own.append(text)

    def _fault(self, said: str, call: Call) -> str:
        from rapidfuzz import fuzz, process

        text = normal_text(said)
        if not text:
            return "nothing is said"
        if _FORBIDDEN.search(said) or Example(said, call).is_template:
            return "not a plain sentence"
        if len(text.split()) > MAX_WORDS:
            return f"longer than {MAX_WORDS} words"
        missing = align(self.spec, Example(said, call)).missing
        if missing:
            return f"{missing[0]} is not said"
        if text in self._known:
            return "duplicate" if self._known[text] == call else f"known as {self._known[text]}"
        nearest = process.extractOne(text, self._own, scorer=fuzz.ratio, score_cutoff=self.near)
        return f"near-duplicate of {nearest[0]!r} ({nearest[1]:.0f} %)" if nearest else ""
