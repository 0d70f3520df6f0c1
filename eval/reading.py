"""Reads cases from JSONL, example files, and folders with labels.jsonl and recordings; all that is wrong is reported at once.

A row of JSONL has the format of docs/eval.md: `id`, `text` (or `audio`), `skill` and `call`, both null where no skill fits.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eval.cases import Case
from otto.call import Call
from otto.errors import AudioError, CallSyntaxError, ExampleError, InvalidCall, Problem, Problems, UsageError
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec

LABELS = "labels.jsonl"
ARTIFACT = re.compile(r"(?:wandb:(?://)?)?([\w.-]+(?:/[\w.-]+){0,2}:[\w.-]+)")  # [ENTITY/][PROJECT/]NAME:VERSION
_FORMAT = "see docs/eval.md for the format"
_STRAY = ((Call(OTHER),),)


@dataclass
class Read:
    """What was read."""

    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)  # of rows
    lost: list[Problem] = field(default_factory=list)  # of whole files: what was in them nobody can count
    data: dict[str, str] = field(default_factory=dict)  # file → SHA-256

    @property
    def bad_rows(self) -> int:
        """How many rows are left out; one may have several problems."""
        return len({problem.where for problem in self.problems})

    def require(self, *, skip_bad: bool = False) -> None:
        """Raises Problems, unless it is rows alone that are bad, and they are to be left out; UsageError where nothing is left."""
        found = [*self.lost, *self.problems]
        count = "one problem" if len(found) == 1 else f"{len(found)} problems"
        if self.lost:
            raise Problems(f"The cases have {count}, and nothing was run", found)
        if found and not skip_bad:
            raise Problems(f"The cases have {count}, and nothing was run; mend them or leave these rows out with --skip-bad", found)
        if not self.cases:
            raise UsageError("There are no cases", "give a .jsonl file, an example file, or a folder with labels.jsonl")


def read_cases(sources: Sequence[str], registry: Registry) -> Read:
    """The cases of files, folders and W&B artifacts, checked against the skills. What is wrong is in `problems` and `lost`; it is not raised."""
    read = Read()
    lines: dict[str, str] = {}  # id → where it first stands
    for source in sources:
        for case in _cases_of(source, registry, read):
            if case.id in lines:
                read.problems.append(Problem(case.where, f"the id {case.id} also stands at {lines[case.id]}", "give each case an id of its own"))
            else:
                lines[case.id] = case.where
                read.cases.append(case)
    return read


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _cases_of(source: str, registry: Registry, read: Read) -> Iterator[Case]:
    path = Path(source).expanduser()
    artifact = ARTIFACT.fullmatch(source)
    if artifact and not path.exists():
        from eval.tracking import pull_cases

        path = pull_cases(artifact[1])
    if path.is_dir():
        files = [path / LABELS] if (path / LABELS).is_file() else sorted(path.glob("*.jsonl"))
        if not files:
            read.lost.append(Problem(source, f"this folder has no {LABELS}", "give the folder that holds it"))
    else:
        files = [path]
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            read.lost.append(Problem(source, f"this cannot be read ({error.strerror})", "check the name and the folder"))
            continue
        read.data[str(file)] = hashlib.sha256(data).hexdigest()
        if file.suffix == ".txt":
            yield from _cases_of_examples(file, data, registry, read)
        else:
            yield from _cases_of_rows(file, data, registry, read.problems)


def _cases_of_examples(file: Path, data: bytes, registry: Registry, read: Read) -> Iterator[Case]:
    """The examples of an example file, templates written out; the sentences of one template are a group. A file with a fault in its form is lost."""
    from otto.examples import parse_example_file
    from otto.templates import written_out

    try:
        examples = parse_example_file(data.decode("utf-8-sig"), str(file)).all
    except ExampleError as error:
        read.lost += error.problems
        return
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        read.lost.append(Problem(f"{file}:{line}", "this is not UTF-8", "save the file as UTF-8"))
        return
    for example in examples:
        number = example.where.rpartition(":")[2]
        written, faults = [example], _faults_of_call(example.call, registry, check_values=not example.is_template)
        if example.is_template and not faults:
            written, wrong = written_out(_with_examples(registry, example.call.name, examples), example)
            faults = [(problem.what, problem.mend) for problem in wrong]
        read.problems += [Problem(example.where, *fault) for fault in faults]
        if faults:
            continue
        for count, item in enumerate(written, 1):
            id = f"{file.stem}:{number}" + (f".{count}" if example.is_template else "")
            group = f"{example.call.name}:{example.text}" if example.is_template else ""
            yield Case(id, item.text, ((item.call,),), group=group, source=str(file), where=example.where)


def _with_examples(registry: Registry, skill: str, examples: Sequence[Any]) -> SkillSpec:
    """The skill, or `other`, with the file's own examples, whose values fill its templates."""
    spec = registry.specs.get(skill, SkillSpec(skill, ""))
    return replace(spec, examples=tuple(examples))


def _cases_of_rows(file: Path, data: bytes, registry: Registry, problems: list[Problem]) -> Iterator[Case]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        reader = _RowReader(f"{file}:{number}", file, registry)
        case = reader.read(line)
        problems += [Problem(reader.where, *fault) for fault in reader.faults]
        if case is not None and not reader.faults:
            yield case


Fault = tuple[str, str]  # what is wrong, and the mend


class _RowReader:
    """One row of JSONL → a case, with every fault of the row."""

    def __init__(self, where: str, file: Path, registry: Registry) -> None:
        self.where = where
        self._file = file
        self._registry = registry
        self.faults: list[Fault] = []

    def read(self, line: bytes) -> Case | None:
        """The case; None where there is nothing to make one of. It is good only where `faults` is empty."""
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            self._fault("this is not UTF-8", "save the file as UTF-8")
            return None
        except (ValueError, RecursionError) as error:
            self._fault(f"this is not JSON ({error})", "write one JSON object a line")
            return None
        if not isinstance(row, dict):
            self._fault("this is not a JSON object", _FORMAT)
            return None
        case = Case(
            id=self._text(row, "id", required=True),
            text=" ".join(self._text(row, "text", required=not row.get("audio")).split()),
            gold=self._gold(row),
            ordered=self._typed(row, "ordered", bool, False),
            group=self._group(row),
            source=str(self._file),
            audio=self._audio(row),
            snr=self._number(row, "snr"),
            where=self.where,
        )
        self._check_skill(row, case)
        return case

    def _fault(self, what: str, mend: str) -> None:
        self.faults.append((what, mend))

    def _typed(self, row: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
        value = row.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            self._fault(f"{name} is {_shown(value)}", f"it should be {_KINDS[kind]}")
            return default
        return value

    def _text(self, row: Mapping[str, Any], name: str, required: bool = False) -> str:
        text: str = self._typed(row, name, str, "")
        if required and not text.strip() and not isinstance(row.get(name), int | float | list | dict):
            self._fault(f"{name} is missing", _FORMAT)
        if re.search("[\ud800-\udfff]", text):
            self._fault(f"{name} holds half a character (a lone surrogate)", "write the whole character")
            return ""
        return text

    def _number(self, row: Mapping[str, Any], name: str) -> float | None:
        value = row.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._fault(f"{name} is {_shown(value)}", "it should be a number")
            return None
        return float(value)

    def _audio(self, row: Mapping[str, Any]) -> Path | None:
        name = self._text(row, "audio")
        if not name:
            return None
        path = self._file.parent / name
        try:
            _require_sound(path)
        except AudioError as error:
            self._fault(error.what, error.mend)
        return path

    def _group(self, row: Mapping[str, Any]) -> str:
        """Of its own, of its speaker, or its sentence with the values taken out: rows of one template say the same of a router."""
        if row.get("group") or not row.get("speaker_cluster"):
            return self._text(row, "group") or _template(row)
        return self._text(row, "speaker_cluster")

    def _gold(self, row: Mapping[str, Any]) -> tuple[tuple[Call, ...], ...]:
        if "call" not in row and "calls" not in row:
            self._fault("call is missing", f"write null where no skill fits; {_FORMAT}")
            return _STRAY
        given = [row["calls"] if "calls" in row else row["call"], *self._typed(row, "alternatives", list, [])]
        gold = [self._calls(item) for item in given]
        normal = _normalised(row, gold[0], self._registry)
        return tuple([*gold, normal] if normal != gold[0] else gold)

    def _calls(self, item: Any) -> tuple[Call, ...]:
        """One alternative: null, a call as an object or as text, or several in a list."""
        if item is None:
            return (Call(OTHER),)
        calls: list[Call] = []
        for part in item if isinstance(item, list) else [item]:
            try:
                calls += Call.parse_all(part) if isinstance(part, str) else [Call(part["name"], part.get("arguments") or {})]
            except CallSyntaxError as error:
                self._fault(f"call: {error.what}", error.mend)
            except (TypeError, KeyError, AttributeError, ValueError):
                self._fault(f"call is {_shown(part)}", 'write {"name": …, "arguments": {…}}, or null where no skill fits')
        for call in calls:
            self.faults += _faults_of_call(call, self._registry)
        if not calls and not self.faults:
            self._fault("calls is empty", "write null where no skill fits")
        return tuple(calls) or (Call(OTHER),)

    def _check_skill(self, row: Mapping[str, Any], case: Case) -> None:
        """`skill` repeats the call's name: where they differ, one of them is wrong."""
        if "skill" not in row or self.faults:
            return
        skill = row["skill"]
        name = OTHER if skill is None else skill.get("name") if isinstance(skill, dict) else skill
        if name not in {call.name for call in case.gold[0]}:
            self._fault(f"skill is {_shown(name)}, and call is of {case.gold[0][0].name}", "make them the same")


_KINDS: Mapping[type, str] = {str: "text", bool: "true or false", list: "a list"}


def _faults_of_call(call: Call, registry: Registry, *, check_values: bool = True) -> list[Fault]:
    """What is wrong with a gold call. Values for a skill that is only a signature are not held to its types: public data does not keep to them."""
    if call.name == OTHER:
        return [("other() takes no arguments", "write other(), or null")] if call.arguments else []
    spec = registry.specs.get(call.name)
    if spec is None:
        close = difflib.get_close_matches(call.name, registry.specs, n=1)
        return [(f"there is no skill {call.name}", f"did you mean {close[0]}?" if close else "name the file of its signature with --skills")]
    faults: list[Fault] = []
    for name in call.arguments:
        try:
            spec.parameter(name)
        except InvalidCall as error:
            faults.append((error.what, error.mend))
    if spec.target is not None and not faults and check_values:
        try:
            spec.validate(call)
        except InvalidCall as error:
            faults.append((error.what, error.mend))
    return faults


def _normalised(row: Mapping[str, Any], calls: tuple[Call, ...], registry: Registry) -> tuple[Call, ...]:
    """The calls with the source's own name of a choice, where the data has the words that were said for it: "zero" for 0."""
    slots = row.get("slots")
    if len(calls) != 1 or calls[0].name not in registry.specs or not isinstance(slots, list):
        return calls
    spec, arguments = registry.specs[calls[0].name], dict(calls[0].arguments)
    choices = {parameter.name: parameter.choices for parameter in spec.parameters if parameter.choices}
    for slot in slots:
        if isinstance(slot, dict) and slot.get("normalized") in choices.get(str(slot.get("name")), ()) and slot["name"] in arguments:
            arguments[slot["name"]] = slot["normalized"]
    return (Call(spec.name, arguments),)


def _template(row: Mapping[str, Any]) -> str:
    """The sentence with its values taken out; "" where none of them is a span of it."""
    text, slots = row.get("text"), row.get("slots")
    skill = row.get("skill")
    if not isinstance(text, str) or not isinstance(slots, list):
        return ""
    spans = []
    for slot in slots:
        start, end = (slot.get("start"), slot.get("end")) if isinstance(slot, dict) else (None, None)
        if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text):
            spans.append((start, end, slot.get("name")))
    if not spans:
        return ""
    for start, end, name in sorted(spans, key=lambda span: -span[0]):
        text = f"{text[:start]}{{{name}}}{text[end:]}"
    return f"{skill.get('name') if isinstance(skill, dict) else skill}: {' '.join(text.casefold().split())}"


def _require_sound(path: Path) -> None:
    """Decode a recording to its end. Raises AudioError where it is missing or damaged."""
    from otto.audio.file import read_audio

    for _ in read_audio(path):
        pass


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
