"""A second scorer: the AST rules of the Berkeley Function-Calling Leaderboard (BFCL), for Python.

The rules are those of `bfcl_eval/eval_checker/ast_eval/ast_checker.py` and `eval_runner.py` in github.com/ShishirPatil/gorilla at
6ea57973c7a6097fd7c5915698c54c17c5b1b6c8 (Apache-2.0), written anew. A call is right when it has the function's name, every required argument, no
unknown one, and each value is of the declared type and among the possible ones:

- **Strings** are compared without case, spaces and `,./-_*^`, and a single quote is a double one; also those in lists.
- **An int** is taken for a float, not the other way, and not inside a list.
- **An argument may be left out** where "" is among its possible values.
- **Where the possible values are of another type** than the declared one, a value of that type is compared as it is (BFCL's "variable").
- **parallel**: as many calls as answers, in any order. **multiple**, **simple**: one call.
- **irrelevance**: no call, also where the answer cannot be read as one. **relevance**: any call.

Otto's calls have no dictionaries: an argument that needs one is never right here. A dot in a name is an underscore, as BFCL itself has
it for models that take no dots, and so is any other character that a name cannot have.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.scoring import Verdict
from otto.call import Call
from otto.errors import CallSyntaxError
from otto.messages import Route
from otto.skill import OTHER

BFCL = "bfcl"
TYPES: Mapping[str, type] = {
    "string": str, "integer": int, "float": float, "boolean": bool, "array": list, "tuple": list, "dict": dict, "any": str,
}  # fmt: skip
LISTS = ("array", "tuple")
_NO_NAME = re.compile(r"[^A-Za-z0-9_]")
_IGNORED = re.compile(r"[ ,./\-_*^]")

Function = Mapping[str, Any]  # {"name", "description", "parameters": {"properties": {name: {"type", …}}, "required": [name]}}
Answer = Mapping[str, Mapping[str, Sequence[Any]]]  # {function: {parameter: [possible value]}}


@dataclass(frozen=True)
class Entry:
    """One of BFCL's cases."""

    category: str  # "simple_python", "live_parallel_multiple", "irrelevance"
    functions: tuple[Function, ...]
    answers: tuple[Answer, ...] = ()  # none for irrelevance and relevance


def python_name(name: str) -> str:
    """BFCL's name of a function or a parameter as a call can have it."""
    name = _NO_NAME.sub("_", name)
    return f"{name}_" if keyword.iskeyword(name) else name


def verdict(entry: Entry, route: Route) -> Verdict:
    """What a router's answer is worth. An answer that its router found invalid is read again: BFCL judges any call that can be read."""
    if not route.calls:
        return _verdict(entry, None, False)  # the router could not answer
    calls = _calls(route)
    fault = fault_of(entry, calls)
    return _verdict(entry, calls, fault is None)


def fault_of(entry: Entry, calls: Sequence[Call] | None) -> str | None:
    """Why an answer is wrong, in BFCL's terms; None where it is right.

    Args:
        entry: the case.
        calls: what was called, none where nothing was; None where the answer cannot be read as calls.
    """
    if "irrelevance" in entry.category:
        return "irrelevance_error:decoder_success" if calls else None
    if "relevance" in entry.category:
        return None if calls else "relevance_error:decoder_failed"
    if calls is None:
        return "ast_decoder:decoder_failed"
    if "parallel" in entry.category:
        return _fault_in_any_order(entry, calls)
    kind = "multiple_function_checker" if "multiple" in entry.category else "simple_function_checker"
    if len(calls) != 1:
        return f"{kind}:wrong_count"
    return fault_of_call(_function_of(entry, entry.answers[0]), calls[0], entry.answers[0])


def fault_of_call(function: Function, call: Call, answer: Answer) -> str | None:
    """Why one call does not fit one answer; None where it does."""
    if call.name != python_name(function["name"]):
        return "simple_function_checker:wrong_func_name"
    declared = _renamed(function["parameters"]["properties"])
    possible = _renamed(next(iter(answer.values())))
    if any(python_name(name) not in call.arguments for name in function["parameters"].get("required", ())):
        return "simple_function_checker:missing_required"
    for name, value in call.arguments.items():
        if name not in declared or name not in possible:
            return "simple_function_checker:unexpected_param"
        fault = fault_of_value(declared[name], value, possible[name])
        if fault:
            return fault
    if any(name not in call.arguments and "" not in values for name, values in possible.items()):
        return "simple_function_checker:missing_optional"
    return None


def fault_of_value(declared: Mapping[str, Any], value: Any, possible: Sequence[Any]) -> str | None:
    """Why a value is not right for its parameter; None where it is."""
    kind = TYPES[declared["type"]]
    inner = TYPES.get(declared.get("items", {}).get("type", "")) if declared["type"] in LISTS else None
    if kind is float and type(value) is int:
        value = float(value)
    fault, is_variable = _type_fault(value, possible, kind, inner)
    if fault:
        return fault
    if is_variable or kind not in (str, list):
        return None if value in possible else "value_error:others"
    if kind is str:
        return None if _standard(value) in [_standard(item) for item in possible if isinstance(item, str)] else "value_error:string"
    lists = [item for item in possible if isinstance(item, list)]
    return None if _standard_items(value) in map(_standard_items, lists) else "value_error:list/tuple"


def _fault_in_any_order(entry: Entry, calls: Sequence[Call]) -> str | None:
    """Each answer takes the first call that fits and that no answer before it took."""
    if len(calls) != len(entry.answers):
        return "parallel_function_checker_no_order:wrong_count"
    left = list(calls)
    for answer in entry.answers:
        function = _function_of(entry, answer)
        found = next((index for index, call in enumerate(left) if fault_of_call(function, call, answer) is None), None)
        if found is None:
            return "parallel_function_checker_no_order:cannot_find_match"
        del left[found]
    return None


def _type_fault(value: Any, possible: Sequence[Any], kind: type, inner: type | None) -> tuple[str | None, bool]:
    """(fault, whether the value is compared as it is): the possible values can be of another type than the declared one."""
    answered = next((type(item) for item in possible if item != ""), None)
    if type(value) is kind:
        if inner is None or any(_items_fit(value, item, inner) for item in possible):
            return None, answered is not None and answered is not kind
        return "type_error:nested", False
    return (None, True) if type(value) is answered else ("type_error:simple", False)


def _items_fit(value: Any, possible: Any, inner: type) -> bool:
    return not isinstance(possible, list) or all(_type_fault(item, possible, inner, None)[0] is None for item in value)


def _standard(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _standard_items(items: Sequence[Any]) -> list[Any]:
    return [_standard(item) if isinstance(item, str) else item for item in items]


def _function_of(entry: Entry, answer: Answer) -> Function:
    """The description of an answer's function. BFCL takes the only one there is whatever its name."""
    name = next(iter(answer))
    return next((function for function in entry.functions if function["name"] == name), entry.functions[0])


def _renamed(items: Mapping[str, Any]) -> dict[str, Any]:
    return {python_name(name): value for name, value in items.items()}


def _calls(route: Route) -> list[Call] | None:
    calls: Sequence[Call] = route.calls
    if route.invalid is not None:
        try:
            calls = Call.parse_all(route.invalid)
        except CallSyntaxError:
            return None
    return [call for call in calls if call.name != OTHER]


def _verdict(entry: Entry, calls: Sequence[Call] | None, exact: bool) -> Verdict:
    """The verdict as all scorers give it. An argument is right where its value is; each call is held against the answer it shares most with."""
    acted = bool(calls)
    stray = "irrelevance" in entry.category
    wanted = [python_name(next(iter(answer))) for answer in entry.answers]
    called = [call.name for call in calls or ()]
    skill = exact if not entry.answers else Counter(wanted) == Counter(called)
    tp, fp, fn = _arguments(entry, calls or ())
    return Verdict(calls is not None, exact, skill, tp, fp, fn, false_call=acted and stray, missed_call=not acted and not stray)


def _arguments(entry: Entry, calls: Sequence[Call]) -> tuple[int, int, int]:
    if not entry.answers:
        return 0, sum(len(call.arguments) for call in calls) if "irrelevance" in entry.category else 0, 0
    left = list(calls)
    right = missing = 0
    for answer in entry.answers:
        function = _function_of(entry, answer)
        counts = [_right_and_missing(function, call, answer) for call in left]
        best = max(range(len(left)), key=lambda index: (counts[index][0], -counts[index][1]), default=None)
        if best is None:
            missing += sum("" not in values for values in next(iter(answer.values())).values())
        else:
            right, missing = right + counts[best][0], missing + counts[best][1]
            del left[best]
    return right, sum(len(call.arguments) for call in calls) - right, missing


def _right_and_missing(function: Function, call: Call, answer: Answer) -> tuple[int, int]:
    possible = _renamed(next(iter(answer.values())))
    declared = _renamed(function["parameters"]["properties"])
    of_it = call.name == python_name(function["name"])
    right = {
        name
        for name, value in call.arguments.items()
        if of_it and name in declared and name in possible and fault_of_value(declared[name], value, possible[name]) is None
    }
    return len(right), sum(name not in right and (name in call.arguments or "" not in values) for name, values in possible.items())
