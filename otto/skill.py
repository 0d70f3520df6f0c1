"""@skill turns a typed function with a docstring into a SkillSpec; Context is what a running skill may ask for.

The signature and the docstring are the whole declaration: prompt, grammar, phrases, help and validation come from here.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from otto.call import Call
from otto.errors import CallSyntaxError, InvalidCall, Problem, SkillDeclarationError
from otto.parameters import Parameter, UnsupportedType, parameter_from_hint

if TYPE_CHECKING:
    import httpx

OTHER = "other"  # the skill of "no skill fits"
DEFAULT_DEADLINE = 10.0  # seconds
Target = TypeVar("Target", bound=Callable[..., Any])


@dataclass(frozen=True)
class Scheduled:
    """Something to announce at a moment: a timer, an alarm."""

    id: int
    skill: str
    when: datetime  # aware
    text: str  # what to say then
    label: str = ""  # the skill's own mark, to find it again


class Context(Protocol):
    """What a running skill may ask of its host. A function that needs none of it does not take one."""

    call: Call
    store: MutableMapping[str, Any]  # private to the skill, JSON values, kept over restarts
    settings: Mapping[str, Any]  # the table [skills.NAME] of the configuration
    cancelled: threading.Event  # set when the user or the deadline stops the skill
    undo_value: Any  # in an undo function: what the skill gave to `for_undo`

    @property
    def http(self) -> httpx.Client:
        """A client with timeouts; the host closes it."""

    def say(self, text: str) -> None:
        """Tell the user something while the skill is still running."""

    def ask(self, question: str) -> str:
        """Ask and wait for the answer. Raises NotConfirmed where nobody can answer."""

    def confirm(self, question: str) -> bool:
        """Ask yes or no; False where nobody can answer."""

    def schedule(self, when: datetime, text: str, label: str = "") -> int:
        """Have `text` announced at `when` (aware), also after a restart. Returns an id."""

    def scheduled(self, skill: str = "") -> list[Scheduled]:
        """The announcements still to come of this skill, or of another that is named, soonest first."""

    def unschedule(self, id: int, skill: str = "") -> bool:
        """Drop an announcement of this skill, or of another that is named; False where none of that id is still to come."""

    def for_undo(self, value: Any) -> None:
        """Leave a JSON value that the undo function will find as `undo_value`."""


@dataclass(frozen=True)
class Risk:
    """What running a skill can do, in the terms of the Model Context Protocol's tool annotations."""

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


_TEMPLATE_MARK = re.compile(r"\{\w+\}|\[[^\]]*[a-z][^\]]*\]|\([^)]*\|[^)]*\)")


@dataclass(frozen=True)
class Example:
    """What somebody said, and the call it should become. The text may be a template: `set [a] timer for {duration}`."""

    text: str
    call: Call
    where: str = ""  # "timer_examples.txt:12"

    @property
    def is_template(self) -> bool:
        """Whether the text has a place for a value or a choice of words; brackets of arithmetic, `(3+4)*2`, do not make one."""
        return bool(_TEMPLATE_MARK.search(self.text))


@dataclass(frozen=True)
class SkillSpec:
    """A skill's declaration. `target` is None where the skill exists only as data (a JSON signature)."""

    name: str
    description: str  # one sentence
    parameters: tuple[Parameter, ...] = ()
    risk: Risk = Risk()
    examples: tuple[Example, ...] = ()
    target: Callable[..., Any] | None = None
    takes_context: bool = False
    undo: str | None = None  # name of a function beside the target (or method of its class) that takes a Context
    confirm: str | None = None  # question to ask before the skill runs, with {parameter} places
    deadline: float = DEFAULT_DEADLINE  # seconds
    where: str = ""  # "timer.py:12"
    file: Path | None = None

    def parameter(self, name: str) -> Parameter:
        """Raises InvalidCall where the skill has no such parameter."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        known = ", ".join(parameter.name for parameter in self.parameters) or "none"
        raise InvalidCall(f"{self.name} has no parameter {name}", f"its parameters are: {known}")

    def validate(self, call: Call) -> dict[str, Any]:
        """The call's arguments as the skill takes them (a Duration, an int …), defaults left out.

        Raises:
            InvalidCall: an argument is unknown, missing or not of its type.
        """
        values = {name: self.parameter(name).validate(value) for name, value in call.arguments.items()}
        for parameter in self.parameters:
            if parameter.required and parameter.name not in values:
                raise InvalidCall(f"{self.name} needs {parameter.name}", f"say it again with {parameter.described}")
        return values

    def canonical(self, call: Call) -> Call:
        """The call with each value in its canonical text, in the order of the signature; values equal to the default are left out.

        Raises:
            InvalidCall: as `validate`.
        """
        return Call(self.name, self.canonical_arguments(call.arguments))

    def canonical_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """As `canonical`, of arguments alone."""
        self.validate(Call(self.name, arguments))
        found = {}
        for parameter in self.parameters:
            if parameter.name in arguments:
                value = parameter.canonical(arguments[parameter.name])
                if parameter.required or value != parameter.canonical_default:
                    found[parameter.name] = value
        return found

    @property
    def signature(self) -> str:
        """As Python shows it: `timer(duration: Duration)`."""
        return f"{self.name}({', '.join(map(str, self.parameters))})"


@overload
def skill(target: Target) -> Target: ...


@overload
def skill(
    *,
    name: str | None = None,
    examples: Mapping[str, str] | None = None,
    undo: str | None = None,
    confirm: str | None = None,
    deadline: float = DEFAULT_DEADLINE,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
) -> Callable[[Target], Target]: ...


def skill(target: Any = None, **options: Any) -> Any:
    """Declare a typed function, or a class with `__call__`, as a skill. It stays callable as it was.

    Args:
        target: the function or class.
        name: where it shall differ from the function's.
        examples: what is said → the call, as text.
        undo: name of a function in the same file (a method, for a class) that takes a Context and takes the action back.
        confirm: question to ask before the skill runs: "Delete {note}?"
        deadline: seconds until the skill is stopped.
        read_only, destructive, idempotent, open_world: its risk.

    Raises:
        SkillDeclarationError: every fault of the declaration, with file and line.
    """
    if target is None:
        return lambda real_target: skill(real_target, **options)
    spec = declare(target, **options)
    target.__otto_skill__ = spec
    return target


def spec_of(target: Any) -> SkillSpec | None:
    """The declaration that `@skill` left on a function or class."""
    spec = getattr(target, "__otto_skill__", None)
    return spec if isinstance(spec, SkillSpec) else None


def declare(
    target: Callable[..., Any],
    *,
    name: str | None = None,
    examples: Mapping[str, str] | None = None,
    undo: str | None = None,
    confirm: str | None = None,
    deadline: float = DEFAULT_DEADLINE,
    **risk: bool,
) -> SkillSpec:
    """The SkillSpec of a function or class. Raises SkillDeclarationError with every fault."""
    file, line = _place(target)
    where = f"{file.name if file else '?'}:{line}"
    name = name or str(getattr(target, "__name__", ""))
    problems: list[Problem] = []
    parameters, takes_context = _read_signature(target, where, problems)
    description = _description(target, where, problems)
    if risk.get("destructive") and not (undo or confirm):
        problems.append(Problem(where, f"{name} is destructive", 'give it undo="…" or confirm="…?"'))
    if risk.get("destructive") and risk.get("read_only"):
        problems.append(Problem(where, f"{name} is both read_only and destructive", "keep the one that is true"))
    if not (isinstance(deadline, int | float) and deadline > 0):
        problems.append(Problem(where, f"deadline={deadline!r} is not a time", "give seconds above 0"))
    places = {place.partition(".")[0] for _, place, _, _ in Formatter().parse(confirm or "") if place is not None}
    for place in sorted(places - {parameter.name for parameter in parameters}):
        problems.append(Problem(where, f"confirm asks about {{{place}}}, which is no parameter", "name parameters in the braces"))
    try:
        Call(name)
    except CallSyntaxError:
        problems.append(Problem(where, f"{name!r} cannot name a skill", "use letters, digits and underscores"))
    spec = SkillSpec(
        name=name,
        description=description,
        parameters=parameters,
        risk=Risk(**risk),
        target=target,
        takes_context=takes_context,
        undo=undo,
        confirm=confirm,
        deadline=deadline,
        where=where,
        file=file,
    )
    if not problems:
        spec = replace(spec, examples=tuple(_read_examples(spec, examples or {}, problems)))
    if problems:
        raise SkillDeclarationError(f"The skill {name} cannot be loaded", problems)
    return spec


def check_example(spec: SkillSpec, example: Example) -> Problem | None:
    """What is wrong with an example of this skill, None where nothing is. `other()` is allowed: it shows what is not meant."""
    if example.is_template or (example.call.name == OTHER and not example.call.arguments):
        return None  # a template is checked when it is written out
    if example.call.name != spec.name:
        return Problem(example.where, f"{example.text!r} teaches {example.call.name}", f"an example of {spec.name} calls {spec.name}")
    try:
        spec.validate(example.call)
    except InvalidCall as error:
        return Problem(example.where, error.what, error.mend)
    return None


def _place(target: Any) -> tuple[Path | None, int]:
    try:
        file = inspect.getsourcefile(target)
        line = inspect.getsourcelines(target)[1]
    except (OSError, TypeError):
        return None, 0
    return (Path(file) if file else None), line


def _description(target: Any, where: str, problems: list[Problem]) -> str:
    text = inspect.getdoc(target) if target.__doc__ else None
    if not text:
        problems.append(Problem(where, "there is no docstring", "say in one sentence what the skill does"))
        return ""
    return " ".join(text.split("\n\n")[0].split())


def _read_signature(target: Any, where: str, problems: list[Problem]) -> tuple[tuple[Parameter, ...], bool]:
    import typing

    function = target.__call__ if inspect.isclass(target) else target
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001  an annotation is any expression and can raise anything
        problems.append(Problem(where, f"the annotations cannot be read ({error})", "import what they name"))
        return (), False
    described = _parameter_descriptions(target)
    parameters: list[Parameter] = []
    takes_context = False
    for item in _own_parameters(target, function):
        if item.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD and item.kind is not inspect.Parameter.KEYWORD_ONLY:
            problems.append(Problem(where, f"{item} is not a named parameter", "write each parameter out"))
        elif item.name not in hints:
            problems.append(Problem(where, f"{item.name} has no type", f"write {item.name}: str"))
        elif hints[item.name] is Context:
            takes_context = True
        else:
            try:
                parameters.append(parameter_from_hint(item.name, hints[item.name], item.default, described.get(item.name, "")))
            except UnsupportedType as error:
                problems.append(Problem(where, error.what, error.mend))
    return tuple(parameters), takes_context


def _own_parameters(target: Any, function: Any) -> Iterator[inspect.Parameter]:
    items = iter(inspect.signature(function).parameters.values())
    if inspect.isclass(target):
        next(items, None)  # self
    return items


def _parameter_descriptions(target: Any) -> dict[str, str]:
    if not target.__doc__:
        return {}
    from docstring_parser import parse

    return {item.arg_name: item.description or "" for item in parse(target.__doc__).params}


def _read_examples(spec: SkillSpec, examples: Mapping[str, str], problems: list[Problem]) -> Iterator[Example]:
    for text, call in examples.items():
        try:
            example = Example(text, Call.parse(call), spec.where)
        except CallSyntaxError as error:
            problems.append(Problem(spec.where, f"the example {text!r}: {error.what}", error.mend))
            continue
        problem = check_example(spec, example)
        if problem:
            problems.append(problem)
        else:
            yield example
