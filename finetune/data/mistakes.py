"""Wrong calls that are near the right one: what a router would really get wrong, and not nonsense."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.data.judge import ACTS, INVENTED, MISSES, WRONG_ARGUMENT, WRONG_SKILL, canonical, judge
from finetune.data.server import Form, Server, several
from otto.call import Call
from otto.errors import OttoError
from otto.parameters import Parameter
from otto.registry import Registry
from otto.skill import OTHER, Example, SkillSpec
from otto.words import normal_text, span_text, split_words

KINDS = (WRONG_SKILL, WRONG_ARGUMENT, INVENTED)  # of a request; stray talk knows ACTS alone
TRIES = 12  # of a rule, and of a server three, until a call really is wrong
COMPARED = 40  # examples of each skill that stray talk is compared with
_MADE_UP = (("urgent", True), ("count", 2), ("label", "new"))  # parameters that a model likes to add


@dataclass(frozen=True)
class Mistake:
    """A wrong call, in what it is wrong, and who made it."""

    call: str
    why: str
    by: str = "rule"  # or "server"


class Mistakes:
    """Makes wrong calls by rule, each checked with the judge."""

    def __init__(self, registry: Registry, rng: random.Random) -> None:
        self._registry, self._rng = registry, rng
        self._specs = [spec for spec in registry if spec.name != OTHER]
        self._values: dict[tuple[str, str], list[Any]] = {}
        self._near_stray: dict[str, Example] = {}  # normal text → example
        for spec in self._specs:
            own = [example for example in spec.examples if example.call.name == spec.name]
            for example in rng.sample(own, min(COMPARED, len(own))):
                self._near_stray[normal_text(example.text)] = example
            for example in own:
                for name, value in example.call.arguments.items():
                    self._values.setdefault((spec.name, name), []).append(value)

    def make(self, right: Call, said: str, kinds: Sequence[str] = KINDS) -> Mistake | None:
        """A wrong call of one of these kinds, in a random order; None where the rules find none that the judge calls wrong."""
        rules: dict[str, Callable[[Call, str], Call | None]] = {
            WRONG_SKILL: self._wrong_skill, WRONG_ARGUMENT: self._wrong_argument, INVENTED: self._invented, MISSES: lambda *_: Call(OTHER),
        }  # fmt: skip
        chosen = [ACTS] if right.name == OTHER else self._rng.sample(list(kinds), len(kinds))
        for kind in chosen:
            for _ in range(TRIES):
                call = self._acts(said) if kind == ACTS else rules[kind](right, said)
                if call is None:
                    break
                if not judge(str(call), right, self._registry).right:
                    return Mistake(str(call), kind)
        return None

    def _wrong_skill(self, right: Call, _: str) -> Call | None:
        """Another skill with as many of the right values as fit it, and no value that was not said."""
        fitting: dict[int, list[Call]] = {}
        own = self._registry.get(right.name)
        said_values = [value for name, value in right.arguments.items() if not _options(own.parameter(name))]
        for spec in self._rng.sample(self._specs, len(self._specs)):
            if spec.name != right.name:
                call, carried = self._carried(spec, said_values)
                if call:
                    fitting.setdefault(carried, []).append(call)
        return self._rng.choice(fitting[max(fitting)][:4]) if fitting else None

    def _carried(self, spec: SkillSpec, values: list[Any]) -> tuple[Call | None, int]:
        """A call of a skill with as many of these values as fit, and how many do."""
        arguments: dict[str, Any] = {}
        left = list(values)
        for parameter in spec.parameters:
            carried = next((value for value in left if not parameter.choices and _fits(parameter, value)), None)
            if carried is not None:
                left.remove(carried)
                arguments[parameter.name] = carried
            elif parameter.required and _options(parameter):
                arguments[parameter.name] = self._rng.choice(_options(parameter))
            elif parameter.required:
                return None, 0
        return self._valid(Call(spec.name, arguments)), len(values) - len(left)

    def _wrong_argument(self, right: Call, said: str) -> Call | None:
        """One value changed: another choice, other words of the sentence, or what another example says there."""
        if not right.arguments:
            return None
        name = self._rng.choice(list(right.arguments))
        spec = self._registry.get(right.name)
        parameter = spec.parameter(name)
        others = _options(parameter) or [*self._neighbours(said, str(right.arguments[name])), *self._others(spec, parameter, 3)]
        if not others:
            return right
        return self._valid(Call(right.name, {**right.arguments, name: self._rng.choice(others)})) or right

    def _neighbours(self, said: str, value: str) -> list[str]:
        """Runs of words that share words with the value, one word longer or shorter at either end."""
        words = split_words(said)
        wanted = [word.text for word in split_words(value)]
        for first in range(len(words) - len(wanted) + 1):
            last = first + len(wanted) - 1
            if wanted and [word.text for word in words[first : last + 1]] == wanted:
                edges = ((first - 1, last), (first + 1, last), (first, last + 1), (first, last - 1))
                return [span_text(said, words, one, other) for one, other in edges if 0 <= one <= other < len(words)]
        return []

    def _others(self, spec: SkillSpec, parameter: Parameter, count: int) -> list[Any]:
        pool = [*self._values.get((spec.name, parameter.name), []), *(parameter.spoken.samples if parameter.spoken else ())]
        return self._rng.sample(pool, min(count, len(pool)))

    def _invented(self, right: Call, said: str) -> Call:
        """An argument that nobody said: an optional one of the skill, or one that the skill has not."""
        spec = self._registry.get(right.name)
        text = normal_text(said)
        for parameter in self._rng.sample(spec.parameters, len(spec.parameters)):
            if parameter.name in right.arguments or parameter.required:
                continue
            pool = _options(parameter) or self._others(spec, parameter, TRIES)
            unsaid = [value for value in pool if normal_text(str(value)) not in text]
            call = self._valid(Call(right.name, {**right.arguments, parameter.name: self._rng.choice(unsaid)})) if unsaid else None
            if call:
                return call
        known = {parameter.name for parameter in spec.parameters}
        name, value = self._rng.choice([item for item in _MADE_UP if item[0] not in known])
        return Call(right.name, {**right.arguments, name: value})

    def _acts(self, said: str) -> Call | None:
        """What a router would take stray talk for: the call of the example that sounds most like it."""
        from rapidfuzz import fuzz, process

        found = process.extract(normal_text(said), list(self._near_stray), scorer=fuzz.token_set_ratio, limit=3)
        example = self._near_stray[self._rng.choice(found)[0]] if found else None
        return self._valid(self._with_words(example.call, said)) if example else None

    def _with_words(self, call: Call, said: str) -> Call:
        """The call with a value of the sentence itself where one is of the right kind: "it took us five minutes"."""
        spec = self._registry.get(call.name)
        words = split_words(said)
        arguments = dict(call.arguments)
        for name in arguments:
            parameter = spec.parameter(name)
            if parameter.spoken is None or parameter.is_list:
                continue
            spans = [span_text(said, words, first, last) for first in range(len(words)) for last in range(first, min(first + 4, len(words)))]
            fitting = [span for span in spans if parameter.said_value(span) is not None]
            if fitting:
                arguments[name] = max(fitting, key=len)
        return Call(call.name, arguments)

    def _valid(self, call: Call) -> Call | None:
        try:
            return canonical(call, self._registry)
        except OttoError:
            return None


FORM = Form(
    "bad_answer",
    "Give a bad answer",
    {"type": "object", "properties": {"call": {"type": "string"}}, "required": ["call"], "additionalProperties": False},
)
SYSTEM = """You make training data for a voice assistant that turns a sentence into a function call. You are given a sentence, its right call \
and a kind of mistake. Answer with one wrong call that a careless assistant could give: near the right one, in the same syntax, and really wrong."""


def asked(server: Server, registry: Registry, right: Call, said: str, kind: str, attempts: int = 3) -> Mistake | None:
    """A server's wrong call; one that the judge finds right, or that is no call at all, is asked for again. None where it gives none.

    Raises:
        ModelError, NetworkError: the server cannot be asked.
    """
    skills = "\n".join(f"- {spec.signature}: {spec.description}" for spec in registry)
    refused: list[str] = []
    for _ in range(attempts):
        told = "".join(f"\n{call} will not do: {why}." for call, why in _because(refused, right, registry))
        prompt = f"Functions:\n{skills}\n\nSentence: {said}\nRight call: {right}\nKind of mistake: {kind}{told}"
        answer = several(lambda prompt=prompt: server.ask(SYSTEM, prompt, FORM), 2)  # type: ignore[misc]  # mypy sees no default
        call = str((answer or {}).get("call", "")).strip()
        try:
            wrong = Call.parse(call)
        except OttoError:
            refused.append(call or "nothing")
            continue
        verdict = judge(str(wrong), right, registry)
        if not verdict.right:
            return Mistake(str(wrong), verdict.why, "server")
        refused.append(str(wrong))
    return None


def _because(refused: Sequence[str], right: Call, registry: Registry) -> Iterator[tuple[str, str]]:
    for call in refused:
        yield call, "it is right" if judge(call, right, registry).right else "it is no call"


def _fits(parameter: Parameter, value: Any) -> bool:
    try:
        parameter.canonical(value)
    except OttoError:
        return False
    return not parameter.is_list


def _options(parameter: Parameter) -> list[Any]:
    return [True, False] if parameter.plain is bool else list(parameter.choices)
