"""Reads BFCL's own files: questions with their functions, and the possible answers beside them.

`BFCL_v4_multiple.json` has a case a line; its answers are in `possible_answer/BFCL_v4_multiple.json` in the same folder. Single turns in Python are
read: simple_python, multiple, parallel, parallel_multiple, irrelevance, and BFCL's live sets of these.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.bfcl import LISTS, TYPES, Answer, Entry, Function, python_name
from eval.cases import Case
from eval.reading import Read
from otto.call import Call
from otto.errors import CallSyntaxError, Problem
from otto.parameters import MISSING, Parameter
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec

ANSWERS = "possible_answer"
_CATEGORIES = ("simple_python", "simple", "multiple", "parallel", "parallel_multiple", "irrelevance", "relevance")
_FORMAT = "give a file of questions as BFCL publishes it"
_PLAIN: Mapping[str, type] = {"string": str, "any": str, "integer": int, "float": float, "boolean": bool}


@dataclass
class BfclRead(Read):
    """What was read: cases, and for each its entry and its functions as skills."""

    entries: dict[str, Entry] = field(default_factory=dict)
    skills: dict[str, Registry] = field(default_factory=dict)
    impossible: list[str] = field(default_factory=list)  # cases whose answer needs what Otto's calls do not have


def read_bfcl(sources: Sequence[str]) -> BfclRead:
    """The cases of files. What is wrong is in `problems` and `lost`; nothing is raised for it."""
    read = BfclRead()
    for source in sources:
        file = Path(source).expanduser()
        lines = _lines(file, read)
        answers_file = file.parent / ANSWERS / file.name
        answers = _answers(answers_file, read) if answers_file.is_file() else None
        for where, row in lines:
            try:
                _take(where, row, answers, read, source)
            except _Fault as fault:
                read.problems.append(Problem(where, *fault.args))
    return read


def spec_of_function(function: Function) -> SkillSpec:
    """A function as a skill. A parameter that is a dictionary, or a list of lists or dictionaries, is left out."""
    properties = function["parameters"]["properties"]
    required = set(function["parameters"].get("required", ()))
    found = [_parameter(name, declared, name in required) for name, declared in properties.items()]
    return SkillSpec(python_name(function["name"]), function.get("description", ""), tuple(item for item in found if item))


class _Fault(Exception):
    """(what is wrong, the mend)"""


def _take(where: str, row: Any, answers: Mapping[str, Any] | None, read: BfclRead, source: str) -> None:
    """Add one case. Raises _Fault."""
    id, category = _id(row)
    if id in read.entries:
        raise _Fault(f"the id {id} stands twice", "give each case an id of its own")
    functions = tuple(_function(item) for item in _typed(row, "function", list, empty=True))
    entry = Entry(category, functions, _answers_of(id, category, answers, functions))
    registry = Registry.of(map(_spec, functions))
    if registry.problems:
        raise _Fault(f"two functions have one name ({registry.problems[0].what})", "leave one of them out")
    gold, possible = _gold(entry)
    read.entries[id] = entry
    read.skills[id] = registry
    read.impossible += [] if possible else [id]
    read.cases.append(Case(id, _text(row), (gold,), source=source, where=where))


def _id(row: Any) -> tuple[str, str]:
    if not isinstance(row, dict):
        raise _Fault("this is not a JSON object", _FORMAT)
    id = _typed(row, "id", str)
    category = re.sub(r"_\d+(-\d+)*$", "", id)
    if category.removeprefix("live_") not in _CATEGORIES:
        raise _Fault(f"{id} is of the category {category}, which is not read", f"leave it out; these are read: {', '.join(_CATEGORIES)}")
    return id, category


def _typed(row: Mapping[str, Any], name: str, kind: type, *, empty: bool = False) -> Any:
    value = row.get(name)
    if not isinstance(value, kind) or not (value or empty):
        raise _Fault(f"{name} is missing or of another kind", _FORMAT)
    return value


def _text(row: Mapping[str, Any]) -> str:
    """The messages of the one turn, in their order."""
    turns = _typed(row, "question", list)
    if len(turns) != 1:
        raise _Fault(f"there are {len(turns)} turns", "leave it out: a router takes one")
    try:
        text = " ".join(" ".join(message["content"].split()) for message in turns[0])
    except (TypeError, KeyError, AttributeError):
        raise _Fault("question is no list of messages", _FORMAT) from None
    if not text.strip():
        raise _Fault("the question is empty", _FORMAT)
    return text


def _function(item: Any) -> Function:
    """The same, checked."""
    try:
        properties = item["parameters"]["properties"]
        kinds = {name: declared["type"] for name, declared in properties.items()}
        item["name"], list(item["parameters"].get("required", ()))
    except (TypeError, KeyError, AttributeError):
        raise _Fault("a function is not described as BFCL does", _FORMAT) from None
    for name, kind in kinds.items():
        if kind not in TYPES:
            raise _Fault(f"{name} is of the type {kind}, which BFCL does not have for Python", f"use one of: {', '.join(TYPES)}")
    found: Function = item
    return found


def _spec(function: Function) -> SkillSpec:
    spec = spec_of_function(function)
    try:
        Call(spec.name, {parameter.name: None for parameter in spec.parameters})
    except CallSyntaxError as error:
        raise _Fault(error.what, "rename it") from None
    return spec


def _parameter(name: str, declared: Mapping[str, Any], required: bool) -> Parameter | None:
    is_list = declared["type"] in LISTS
    single = declared.get("items", {}) if is_list else declared
    plain = _PLAIN.get(single.get("type", ""))
    if plain is None:
        return None
    choices = tuple(single.get("enum") or ())
    if not all(isinstance(choice, str | int) and not isinstance(choice, bool) for choice in choices):
        choices = ()
    return Parameter(
        python_name(name),
        " ".join(str(declared.get("description", "")).split()),
        required=required,
        default=MISSING if required else None,
        choices=choices,
        plain=None if choices else plain,
        is_list=is_list,
        nullable=not required,
    )


def _answers_of(id: str, category: str, answers: Mapping[str, Any] | None, functions: Sequence[Function]) -> tuple[Answer, ...]:
    if "relevance" in category:
        return ()
    if answers is None:
        raise _Fault(f"the answers are missing: there is no file of this name in {ANSWERS}/", "copy it from BFCL, too")
    if id not in answers:
        raise _Fault(f"{ANSWERS} has no answer for {id}", "copy the file of the same version of BFCL")
    given = answers[id]
    names = {function["name"] for function in functions}
    try:
        for answer in given:
            ((name, arguments),) = answer.items()
            if name not in names or not all(isinstance(values, list) for values in arguments.values()):
                raise ValueError
    except (TypeError, ValueError, AttributeError):
        raise _Fault(f"the answer for {id} does not fit its functions", "copy the file of the same version of BFCL") from None
    if not given:
        raise _Fault(f"the answer for {id} is empty", "copy the file of the same version of BFCL")
    return tuple(given)


def _gold(entry: Entry) -> tuple[tuple[Call, ...], bool]:
    """The first of the possible values, for people to read, and whether Otto's calls can say all that is needed."""
    calls, possible = [], True
    for answer in entry.answers:
        ((name, arguments),) = answer.items()
        said: dict[str, Any] = {}
        for parameter, values in arguments.items():
            sayable = [value for value in values if value != "" and _is_sayable(value)]
            if "" not in values:
                possible = possible and bool(sayable)
                said |= {python_name(parameter): sayable[0]} if sayable else {}
        calls.append(Call(python_name(name), said))
    return tuple(calls) or (Call(OTHER),), possible


def _is_sayable(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int | float) for item in value)
    return isinstance(value, str | int | float)


def _lines(file: Path, read: BfclRead) -> list[tuple[str, Any]]:
    """(where, row) of each line; what cannot be read is a problem."""
    try:
        data = file.read_bytes()
    except OSError as error:
        read.lost.append(Problem(str(file), f"this cannot be read ({error.strerror})", "check the name and the folder"))
        return []
    read.data[str(file)] = hashlib.sha256(data).hexdigest()
    found = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            try:
                found.append((f"{file}:{number}", json.loads(line.decode("utf-8-sig"))))
            except (ValueError, RecursionError) as error:
                read.problems.append(Problem(f"{file}:{number}", f"this is not JSON ({error})", _FORMAT))
    return found


def _answers(file: Path, read: BfclRead) -> dict[str, Any]:
    found = {}
    for where, row in _lines(file, read):
        if isinstance(row, dict) and isinstance(row.get("id"), str) and isinstance(row.get("ground_truth"), list):
            found[row["id"]] = row["ground_truth"]
        else:
            read.problems.append(Problem(where, "this is no answer with id and ground_truth", "copy the file of the same version of BFCL"))
    return found
