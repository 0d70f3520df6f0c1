"""Verifiable rewards of answers: pure functions, list in, list out, `f(completions, **columns) -> list[float]`, from 0 to 1.

The columns are those of the training rows, a list each: `call` (the right call, as text) and `utterance` (what was said). The skills and the
equality of calls are `registry`'s. TRL's GRPO and the PPO of finetune/ call them alike; completions may be texts or lists of messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from finetune.data.judge import canonical, judge
from finetune.rows import Text, text_of
from otto.call import Call
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.skill import OTHER

Reward = Callable[..., list[float]]

WEIGHTS = {"parses": 0.5, "skill": 1.0, "arguments": 2.0, "no_invention": 1.0, "refuses": 2.0, "brevity": 0.25, "reflection": 0.0}

_REFLECTING = re.compile(r"\s*<thinking>(.+?)</thinking>\s*<reflection>(.+?)</reflection>\s*<output>(.+?)</output>\s*", re.DOTALL)
_MARK = re.compile(r"</?(?:thinking|reflection|output)>")
_WORD = re.compile(r"\w+")


def parses(completions: Sequence[Text], *, registry: Registry, **_: Any) -> list[float]:
    """1 where the answer is calls of known skills with valid arguments."""
    return [float(read_calls(text_of(answer), registry) is not None) for answer in completions]


def skill(completions: Sequence[Text], *, call: Sequence[str], registry: Registry, **_: Any) -> list[float]:
    """1 where the answer is one call, of the right skill."""
    found = []
    for answer, right in zip(completions, call, strict=True):
        given = _one(answer, registry)
        found.append(float(given is not None and given.name == Call.parse(right).name))
    return found


def arguments(completions: Sequence[Text], *, call: Sequence[str], registry: Registry, **_: Any) -> list[float]:
    """1 for the right call; of the right skill with other arguments, the share of them that are right; else 0."""
    found = []
    for answer, right in zip(completions, call, strict=True):
        verdict = judge(text_of(answer), Call.parse(right), registry)
        found.append(1.0 if verdict.right else max(0.0, 2 * verdict.score - 1))  # judge gives half for the skill alone
    return found


def no_invention(completions: Sequence[Text], *, call: Sequence[str], utterance: Sequence[str], registry: Registry, **_: Any) -> list[float]:
    """1 where every text among the arguments is that of the right call or stands, word for word, in what was said; 0 for no valid call."""
    return [
        _not_invented(read_calls(text_of(answer), registry), canonical(Call.parse(right), registry), said)
        for answer, right, said in zip(completions, call, utterance, strict=True)
    ]


def refuses(completions: Sequence[Text], *, call: Sequence[str], registry: Registry, **_: Any) -> list[float]:
    """Of stray talk, 1 where the answer is other(); of a request, 1 where it is not: leaving everything alone earns nothing there."""
    found = []
    for answer, right in zip(completions, call, strict=True):
        calls = read_calls(text_of(answer), registry)
        found.append(float(calls is not None and (calls[0].name == OTHER) == (Call.parse(right).name == OTHER)))
    return found


def brevity(completions: Sequence[Text], *, call: Sequence[str], **_: Any) -> list[float]:
    """1 for what is no longer than the right call, less in proportion to what is said beside it; thoughts in their marks are free."""
    found = []
    for answer, right in zip(completions, call, strict=True):
        text = text_of(answer)
        whole = _REFLECTING.fullmatch(text)
        spoken = (whole[3] if whole else text).strip()
        found.append(min(1.0, len(right) / len(spoken)) if spoken else 0.0)
    return found


def reflection(completions: Sequence[Text], **_: Any) -> list[float]:
    """1 for `<thinking>…</thinking><reflection>…</reflection><output>…</output>`, each once, in this order, with words in it."""
    found = []
    for answer in completions:
        whole = _REFLECTING.fullmatch(text_of(answer))
        found.append(float(whole is not None and all(part.strip() and not _MARK.search(part) for part in whole.groups())))
    return found


REWARDS: dict[str, Reward] = {
    "parses": parses,
    "skill": skill,
    "arguments": arguments,
    "no_invention": no_invention,
    "refuses": refuses,
    "brevity": brevity,
    "reflection": reflection,
}


def chosen(weights: Mapping[str, float], registry: Registry) -> tuple[list[Reward], list[float]]:
    """The rewards whose weight is not 0, each with the registry and its name for a log, and their weights."""
    functions: list[Reward] = []
    for name in (name for name, weight in weights.items() if weight):
        bound = partial(REWARDS[name], registry=registry)
        bound.__name__ = name  # type: ignore[attr-defined]  # TRL logs a reward by its name
        functions.append(bound)
    return functions, [weight for weight in weights.values() if weight]


def total(weights: Mapping[str, float], registry: Registry, completions: Sequence[Text], **columns: Any) -> list[float]:
    """The weighted mean of the rewards, from 0 to 1."""
    functions, shares = chosen(weights, registry)
    found = [function(completions, **columns) for function in functions]
    return [sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares) for values in zip(*found, strict=True)]


def _one(answer: Text, registry: Registry) -> Call | None:
    calls = read_calls(text_of(answer), registry)
    return calls[0] if calls is not None and len(calls) == 1 else None


def _not_invented(calls: tuple[Call, ...] | None, right: Call, said: str) -> float:
    if calls is None:
        return 0.0
    allowed = {value for value in right.arguments.values() if isinstance(value, str)}
    words = f" {_words(said)} "
    texts = [value for call in calls for value in call.arguments.values() if isinstance(value, str)]
    return float(all(value in allowed or f" {_words(value)} " in words for value in texts))


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
