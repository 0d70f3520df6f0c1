"""Rows that think before they answer: a draft, a second look at it, and the call. In a set share the draft holds a planted mistake."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

from finetune.data.judge import ACTS, INVENTED, MISSES, WRONG_SKILL, judge
from finetune.data.mistakes import KINDS, Mistakes
from finetune.data.pairs import LeftOut
from finetune.rows import TrainingRow
from otto.call import Call, printed
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec

TOKENS = ("<thinking>", "</thinking>", "<reflection>", "</reflection>", "<output>", "</output>")  # special tokens of a model that is trained on this
PLANTED, CLEAN = "planted", "clean"


def reflect(
    rows: Iterable[TrainingRow], registry: Registry, rng: random.Random, left_out: LeftOut, *, mistakes: float = 0.5
) -> Iterator[tuple[TrainingRow, str]]:
    """Each row with an answer that reflects, and whether a mistake was planted in it.

    What a router takes from each answer is the right call: one of which it would not is left out.

    Args:
        rows: valid rows with what was said.
        registry: the skills.
        rng: decides which rows get a mistake, and which.
        left_out: filled with what gave no row.
        mistakes: share of the rows with a planted one.
    """
    maker = Mistakes(registry, rng)
    planted = done = 0
    for row in rows:
        right = row.call
        # Kept to the share as the rows go by, with the place of each mistake left to chance.
        wanted = mistakes * (done + 1) - planted
        mistake = maker.make(right, row.utterance, [*KINDS, MISSES]) if rng.random() < _chance(wanted) else None
        answer = _planted(right, Call.parse(mistake.call), mistake.why, registry) if mistake else _clean(right, registry)
        if not judge(answer, right, registry).right:
            left_out.add("its words would be taken for tags", f"{row.source}: {row.utterance!r}")
            continue
        done += 1
        planted += mistake is not None
        yield replace(row, completion=row.with_answer(answer)), PLANTED if mistake else CLEAN


def opened(row: TrainingRow, draft: Call, registry: Registry) -> str:
    """The prompt and an answer that has thought of this draft, and has still to look at it."""
    return f"{row.prompt}{row.with_answer(_thinking(draft, registry))}"


def _chance(wanted: float) -> float:
    """0 where there are a mistake too many, 1 where one is due, between them as much as is wanted."""
    return min(1.0, max(0.0, wanted))


def _planted(right: Call, wrong: Call, why: str, registry: Registry) -> str:
    return _answer(_thinking(wrong, registry), f"{_fault(right, wrong, why)} {_mended(right)}", right)


def _clean(right: Call, registry: Registry) -> str:
    if right.name == OTHER:
        seen = "Nothing was asked of the assistant, so nothing is to be done."
    else:
        seen = "The function fits, and it has what was said and no more."
    return _answer(_thinking(right, registry), f"{seen} The draft stands.", right)


def _answer(thinking: str, reflection: str, call: Call) -> str:
    return f"{thinking}\n<reflection>{reflection}</reflection>\n<output>{call}</output>"


def _thinking(draft: Call, registry: Registry) -> str:
    purpose = "No function seems to be asked for." if draft.name == OTHER else _purpose(registry.get(draft.name))
    return f"<thinking>{purpose} Draft: {draft}</thinking>"


def _purpose(spec: SkillSpec) -> str:
    return f"{spec.name} may be meant: {spec.description.rstrip('.')}."


def _fault(right: Call, wrong: Call, why: str) -> str:
    """What is wrong with the draft, in the terms of this sentence."""
    if why == ACTS:
        return f"This was not said to the assistant, and {wrong.name} would act on it."
    if why == MISSES:
        return f"This is a request: {right.name} does it."
    if why == WRONG_SKILL:
        return f"{wrong.name} does not do what was asked for; {right.name} does."
    if why == INVENTED:
        name = next(name for name in wrong.arguments if name not in right.arguments)
        return f"Nobody said {name}; it is invented."
    name = next(name for name, value in right.arguments.items() if wrong.arguments.get(name) != value)
    if name not in wrong.arguments:
        return f"{name} was said and is missing."
    return f"{name} is not {_value(wrong, name)} but {_value(right, name)}."


def _mended(right: Call) -> str:
    return "Nothing is to be done." if right.name == OTHER else f"The call is {right}."


def _value(call: Call, name: str) -> str:
    return printed(call.arguments[name])
