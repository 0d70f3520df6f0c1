"""The rules of scoring. Pure functions: calls in, verdicts out.

- **Exact.** The predicted calls are an alternative's, by `otto.call` equality: argument order does not count, values are compared as their
  parameters' normalisers write them, and a value that is the default counts as left out.
- **Several calls** are compared as sets, unless the case says that their order matters.
- **Alternatives.** Any of them counts: the one that the prediction comes nearest to is the one that it is scored against.
- **Skill.** The right skills were called, each as often as it should be, whatever their arguments.
- **Arguments.** (skill, parameter, value) triples: of the prediction and the gold (`tp`), of the prediction alone (`fp`), of the gold alone (`fn`). A
  list's items are values of their own. The arguments of a wrong skill are wrong.
- **Valid.** The answer parses and every call in it fits its skill's signature. An invalid answer is never exact, names no skill, has no
  arguments, and is not taken for `other()`: a case of stray talk that got one is wrong too.
- **False call.** A skill was called where nothing was to be done. An invalid answer calls none.
- **Missed call.** No skill was called where one should have been: the answer was `other()`, or invalid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.cases import Case
from otto.call import Call, printed
from otto.errors import InvalidCall
from otto.messages import Route
from otto.parameters import Parameter
from otto.skill import OTHER, SkillSpec

Triple = tuple[str, str, str]  # skill, parameter, value as it is written in a call


@dataclass(frozen=True)
class Verdict:
    """What a prediction is worth."""

    valid: bool
    exact: bool
    skill: bool
    tp: int
    fp: int
    fn: int
    false_call: bool
    missed_call: bool


def judge(case: Case, predicted: Sequence[Call] | None, specs: Mapping[str, SkillSpec]) -> Verdict:
    """The verdict on the calls that were predicted for a case; None where the answer was no valid call."""
    if predicted is None:
        wanted = min((triples(calls, specs) for calls in case.gold), key=len)
        return Verdict(False, False, False, 0, 0, len(wanted), false_call=False, missed_call=_must_act(case))
    found = triples(predicted, specs)
    best = max((_against(calls, predicted, found, case.ordered, specs) for calls in case.gold), key=_nearness)
    exact, skill, tp, fn = best
    acted = bool(_real(predicted))
    return Verdict(True, exact, skill, tp, len(found) - tp, fn, false_call=acted and case.stray, missed_call=not acted and _must_act(case))


def judge_route(case: Case, route: Route, specs: Mapping[str, SkillSpec]) -> Verdict:
    """The verdict on what a router answered. A route without calls is none: the router could not answer."""
    valid = route.invalid is None and is_valid(route.calls, specs)
    return judge(case, route.calls if valid else None, specs)


def judge_all(cases: Iterable[Case], predictions: Iterable[Sequence[Call] | None], specs: Mapping[str, SkillSpec]) -> list[Verdict]:
    """The verdicts on the predictions of cases, in their order."""
    return [judge(case, predicted, specs) for case, predicted in zip(cases, predictions, strict=True)]


def is_valid(calls: Sequence[Call], specs: Mapping[str, SkillSpec]) -> bool:
    """Whether each call fits its skill's signature; `other()` always does."""
    try:
        for call in calls:
            if call.name != OTHER or call.arguments:
                specs[call.name].validate(call)
    except (InvalidCall, KeyError):
        return False
    return bool(calls)


def same_calls(one: Sequence[Call], other: Sequence[Call], ordered: bool = False) -> bool:
    """Whether two answers ask for the same: as sets, or in order. `other()` beside a call asks for nothing."""
    one, other = _real(one), _real(other)
    if ordered:
        return one == other
    return all(call in other for call in one) and all(call in one for call in other)


def triples(calls: Iterable[Call], specs: Mapping[str, SkillSpec]) -> Counter[Triple]:
    """The arguments of calls, each a (skill, parameter, value) with its number of times; the values in their canonical form."""
    found: Counter[Triple] = Counter()
    for call in _distinct(_real(calls)):
        spec = specs.get(call.name)
        parameters = {parameter.name: parameter for parameter in spec.parameters} if spec else {}
        for name, value in call.arguments.items():
            for item in _values(parameters.get(name), value):
                found[call.name, name, printed(item)] += 1
    return found


def skill_names(calls: Iterable[Call]) -> list[str]:
    """The skills of an answer, in alphabetical order; `other` where it asks for nothing."""
    return sorted(call.name for call in _distinct(_real(calls))) or [OTHER]


def _against(
    gold: Sequence[Call], predicted: Sequence[Call], found: Counter[Triple], ordered: bool, specs: Mapping[str, SkillSpec]
) -> tuple[bool, bool, int, int]:
    """(exact, right skills, tp, fn) of a prediction against one alternative."""
    wanted = triples(gold, specs)
    exact = same_calls(gold, predicted, ordered)
    if exact:
        return True, True, found.total(), 0
    tp = (found & wanted).total()
    skill = skill_names(gold) == skill_names(predicted)
    if skill and ordered:
        skill = [call.name for call in _real(gold)] == [call.name for call in _real(predicted)]
    return False, skill, tp, wanted.total() - tp


def _nearness(result: tuple[bool, bool, int, int]) -> tuple[bool, bool, int, int]:
    exact, skill, tp, fn = result
    return exact, skill, tp, -fn


def _must_act(case: Case) -> bool:
    return all(_real(calls) for calls in case.gold)


def _real(calls: Iterable[Call]) -> list[Call]:
    return [call for call in calls if call.name != OTHER]


def _distinct(calls: Iterable[Call]) -> list[Call]:
    found: list[Call] = []
    for call in calls:
        if call not in found:
            found.append(call)
    return found


def _values(parameter: Parameter | None, value: Any) -> list[Any]:
    """The canonical values of one argument: none where it is the default, several of a list. A value that its type refuses stays as it is."""
    if parameter is None:
        return value if isinstance(value, list) else [value]
    try:
        canonical = parameter.canonical(value)
    except InvalidCall:
        items = value if isinstance(value, list) and not parameter.is_list else [value]
        return [_canonical_or_raw(parameter, item) for item in items]
    if not parameter.required and canonical == parameter.canonical_default:
        return []
    return canonical if isinstance(canonical, list) else [canonical]


def _canonical_or_raw(parameter: Parameter, item: Any) -> Any:
    try:
        return parameter.canonical(item)
    except InvalidCall:
        return item
