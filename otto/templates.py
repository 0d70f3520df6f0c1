"""Sentence templates in examples: `[please] set (a|the) timer for {duration}` stands for every sentence that it can make.

The syntax and its parser are hassil's, Home Assistant's own (https://github.com/OHF-Voice/hassil). A template is written out into plain
examples when a skill is loaded, so that nothing after that knows of templates. Matching is not hassil's: it takes
milliseconds a sentence there, and a trie microseconds (docs/benchmarks.md has both).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping

from otto.call import Call
from otto.errors import OttoError, Problem
from otto.skill import Example, SkillSpec

MAX_SENTENCES = 60  # of one template
_SLOT = re.compile(r"\{(\w+)\}")


def written_out(spec: SkillSpec, example: Example) -> tuple[list[Example], list[Problem]]:
    """The sentences of a template with their calls, at most MAX_SENTENCES, and what is wrong with it."""
    try:
        sentences = list(_sentences(example.text))
    except Exception as error:  # noqa: BLE001  hassil raises several kinds of its own and plain ValueError
        return [], [Problem(example.where, f"the template {example.text!r} cannot be read ({error})", "see docs/examples.md")]
    unknown = sorted({name for name in _SLOT.findall(example.text) if name not in {parameter.name for parameter in spec.parameters}})
    if unknown:
        known = ", ".join(parameter.name for parameter in spec.parameters) or "none"
        return [], [Problem(example.where, f"{spec.name} has no parameter {unknown[0]}", f"its parameters are: {known}")]
    rng = random.Random(example.text)
    if len(sentences) > MAX_SENTENCES:
        sentences = rng.sample(sentences, MAX_SENTENCES)
    pools = {name: _values(spec, name) for name in _SLOT.findall(example.text)}
    found = []
    for sentence in sentences:
        chosen = {name: str(rng.choice(pool)) for name, pool in pools.items()}
        try:
            call = spec.canonical(_filled_call(example.call, chosen))
        except OttoError as error:
            return [], [Problem(example.where, error.what, error.mend)]
        found.append(Example(_filled(sentence, chosen), call, example.where))
    return found, []


def _sentences(template: str) -> Iterator[str]:
    from hassil.parse_expression import parse_sentence
    from hassil.sample import sample_expression

    # a slot is left as it stands: hassil would ask for a list of its values
    names = _SLOT.findall(template)
    marked = _SLOT.sub("slotplace", template)
    for sentence in sample_expression(parse_sentence(marked).expression):
        parts = sentence.split("slotplace")
        places = [f"{{{name}}}" for name in names][: len(parts) - 1]
        yield " ".join("".join(part + place for part, place in zip(parts, [*places, ""], strict=True)).split())


def _values(spec: SkillSpec, name: str) -> list[str]:
    """What may be said for a parameter: what the plain examples say, its type's samples, its choices."""
    parameter = spec.parameter(name)
    said = [str(example.call.arguments[name]) for example in spec.examples if name in example.call.arguments and not example.is_template]
    samples = parameter.spoken.samples if parameter.spoken else tuple(map(str, parameter.choices))
    return list(dict.fromkeys([*said, *samples])) or _BY_KIND.get(parameter.plain, [name.replace("_", " ")])


_BY_KIND: Mapping[type | None, list[str]] = {int: ["two", "5", "twenty"], float: ["two", "1.5", "ten"], bool: ["yes", "no"]}


def _filled(sentence: str, chosen: Mapping[str, str]) -> str:
    """The sentence with its slots replaced by what was chosen for them."""
    for name, value in chosen.items():
        sentence = sentence.replace(f"{{{name}}}", value)
    return sentence


def _filled_call(call: Call, chosen: Mapping[str, str]) -> Call:
    """The call with each "{name}" replaced by what was chosen for it; a parameter that the sentence does not have keeps its value."""
    return Call(call.name, {name: chosen.get(value[1:-1], value) if _is_slot(value) else value for name, value in call.arguments.items()})


def _is_slot(value: object) -> bool:
    return isinstance(value, str) and bool(_SLOT.fullmatch(value))


def expand(spec: SkillSpec) -> tuple[tuple[Example, ...], list[Problem]]:
    """The skill's examples with each template written out, and what is wrong with the templates."""
    found: list[Example] = []
    problems: list[Problem] = []
    for example in spec.examples:
        if example.is_template:
            sentences, wrong = written_out(spec, example)
            found += sentences
            problems += wrong
        else:
            found.append(example)
    return tuple(found), problems
