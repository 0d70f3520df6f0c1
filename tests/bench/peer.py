"""hassil on the same commands: sentence templates written from the same examples that Otto's engines learn from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from otto.align import Aligned, align
from otto.call import Call
from otto.errors import OttoError
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec

# What a hassil user lists as words to skip; Otto's PhraseBook takes the same ones off.
SKIP_WORDS = "please|thanks|thank you|hey otto|okay otto|hello otto|otto|um|uh|can you|could you|would you|for me".split("|")
_NOT_WORDS = re.compile(r"[()\[\]{}<>|\\.,;:!?…\"“”«»¿¡]")


class Hassil:
    """Its best match as a call. What it captures goes through Otto's own normalisers; a value that they refuse is no command.

    Args:
        registry: the skills, with the examples that templates may be written from.
        closed: a slot takes the values that the examples say, and its type's samples; otherwise any words (a wildcard). Free text is
            a wildcard in both.
    """

    def __init__(self, registry: Registry, closed: bool) -> None:
        from hassil.intents import Intents

        self._specs = {spec.name: spec for spec in registry}
        data: dict[str, dict[tuple[tuple[str, object], ...], dict[str, None]]] = {}
        values: dict[str, dict[str, None]] = {}
        for spec in registry:
            for aligned in _usable(spec):
                template = _template(aligned, values)
                if re.sub(r"\{.*?\}", "", template).strip():  # a slot alone would match anything
                    data.setdefault(spec.name, {}).setdefault(aligned.fixed, {})[template] = None
        self.templates = sum(len(sentences) for blocks in data.values() for sentences in blocks.values())
        self._intents = Intents.from_dict(
            {
                "language": "en",
                "intents": {
                    name: {"data": [{"sentences": list(sentences), "slots": dict(fixed)} for fixed, sentences in blocks.items()]}
                    for name, blocks in data.items()
                },
                "lists": {name: self._list(name, said) if closed else {"wildcard": True} for name, said in values.items()},
                "skip_words": SKIP_WORDS,
            }
        )

    def route(self, text: str) -> Call:
        """The call of the best match, `other()` where there is none."""
        from hassil import recognize_best

        match = recognize_best(text, self._intents)
        if match is None:
            return Call(OTHER)
        spec = self._specs[match.intent.name]
        said = {name: entity.value for name, entity in match.entities.items()}
        try:
            return spec.canonical(Call(spec.name, {name: value.strip() if isinstance(value, str) else value for name, value in said.items()}))
        except OttoError:
            return Call(OTHER)

    def _list(self, name: str, said: Iterable[str]) -> dict[str, object]:
        skill, _, parameter = name.partition("__")
        declared = self._specs[skill].parameter(parameter)
        if declared.free_text:
            return {"wildcard": True}
        samples = declared.spoken.samples if declared.spoken else ()
        return {"values": [{"in": _NOT_WORDS.sub(" ", value), "out": value} for value in dict.fromkeys([*said, *samples]) if _NOT_WORDS.sub("", value).strip()]}


def _usable(spec: SkillSpec) -> Iterable[Aligned]:
    if spec.name != OTHER:
        for example in spec.examples:
            aligned = align(spec, example)
            names = [span.parameter for span in aligned.spans]
            if example.call.name == spec.name and aligned.words and not aligned.missing and len(names) == len(set(names)):
                yield aligned


def _template(aligned: Aligned, values: dict[str, dict[str, None]]) -> str:
    """The example's own text with `{list:slot}` in place of its values, which are noted; sentence marks go, as hassil drops them from what is said."""
    text, parts, at = aligned.example.text, [], 0
    for span in aligned.spans:
        name = f"{aligned.skill}__{span.parameter}"
        values.setdefault(name, {})[aligned.said(span)] = None
        parts += [_NOT_WORDS.sub(" ", text[at : aligned.words[span.first].start]), f"{{{name}:{span.parameter}}}"]
        at = aligned.words[span.last].end
    return " ".join("".join([*parts, _NOT_WORDS.sub(" ", text[at:])]).split())
