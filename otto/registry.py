"""Registry: the installed skills, from the bundle, the user's folder, entry points and JSON signatures.

A skill that cannot be loaded becomes problems with file, line and mend; the others load.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from otto.call import Call, set_resolver
from otto.errors import CallSyntaxError, ExampleError, Problem, SkillDeclarationError, StoreError, UnknownSkill
from otto.examples import read_example_file
from otto.parameters import Parameter
from otto.paths import room
from otto.skill import Example, SkillSpec, check_example, spec_of
from otto.templates import expand

ENTRY_POINTS = "otto.skills"


@dataclass
class Registry:
    """Skills by name, in a stable order, and what kept others out.

    `version` changes whenever `refresh` finds a changed file, so that what is derived from the skills can be derived anew.
    """

    specs: dict[str, SkillSpec] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    folders: tuple[Path, ...] = ()
    entry_points: bool = False
    _stamp: tuple[tuple[str, int, int], ...] = ()

    @classmethod
    def load(cls, user_folder: Path | None = None, *, bundled: bool = True, entry_points: bool = True) -> Registry:
        """The skills of this machine: bundled, then the user's folder, then the entry points `otto.skills`."""
        folders = ((room("skills"),) if bundled else ()) + ((user_folder,) if user_folder else ())
        registry = cls(folders=folders, entry_points=entry_points)
        registry._read()
        return registry

    @classmethod
    def from_folder(cls, folder: Path) -> Registry:
        """The skills of one folder alone."""
        return cls.load(folder, bundled=False, entry_points=False)

    @classmethod
    def from_json(cls, path: Path) -> Registry:
        """Skills that exist only as signatures: `{"skills": [{"name", "description", "parameters": [...]}]}`.

        Raises:
            StoreError: the file cannot be read or is not in this format.
        """
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))["skills"]
            specs = [_spec_from_signature(row, path) for row in rows]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, CallSyntaxError) as error:
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            raise StoreError(f"{path} is not a file of skill signatures ({reason})", 'it needs {"skills": [{"name": …}]}') from None
        registry = cls()
        for spec in specs:
            registry._add(spec)
        return registry

    @classmethod
    def of(cls, specs: Iterable[SkillSpec]) -> Registry:
        """A registry of given declarations."""
        registry = cls()
        for spec in specs:
            registry._add(spec)
        return registry

    @property
    def version(self) -> str:
        """A hash of the declarations and examples."""
        digest = hashlib.sha256()
        for spec in self.specs.values():
            digest.update(f"{spec.signature}|{spec.description}|{spec.risk}\n".encode())
            for example in spec.examples:
                digest.update(f"{example.text}\t{example.call}\n".encode())
        return digest.hexdigest()[:16]

    def __iter__(self) -> Iterator[SkillSpec]:
        return iter(self.specs.values())

    def __len__(self) -> int:
        return len(self.specs)

    def get(self, name: str) -> SkillSpec:
        """Raises UnknownSkill."""
        try:
            return self.specs[name]
        except KeyError:
            raise UnknownSkill(f"There is no skill {name}", "see `otto skills list`") from None

    def refresh(self) -> bool:
        """Load the folders anew where a file has changed; True where one had."""
        if self._stamp == _stamp(self.folders):
            return False
        self._read()
        return True

    def install(self) -> None:
        """Let the equality of calls use these skills' normalisers."""
        set_resolver(lambda name: self.specs[name].canonical_arguments if name in self.specs else None)

    def _read(self) -> None:
        self._stamp = _stamp(self.folders)
        self.specs, self.problems = {}, []
        for folder in self.folders:
            for file in _skill_files(folder):
                self._load_file(file)
        if self.entry_points:
            self._load_entry_points()

    def _load_file(self, file: Path) -> None:
        try:
            module = _import_file(file)
            found = list(_declared_in(module))
            if not found:
                self.problems.append(Problem(f"{file.name}:1", "no skill is declared here", "decorate a function with @skill"))
            for spec in found:
                self._add(_with_examples(spec, file))
        except (SkillDeclarationError, ExampleError) as error:
            self.problems.extend(error.problems)
        except BaseException as error:  # a skill's file is foreign code: even sys.exit() in it stops nobody else
            if isinstance(error, KeyboardInterrupt):
                raise
            self.problems.append(Problem(f"{file.name}:{_line_of(error, file)}", f"{type(error).__name__}: {error}", "mend the file"))

    def _load_entry_points(self) -> None:
        from importlib.metadata import entry_points

        for point in entry_points(group=ENTRY_POINTS):
            try:
                loaded = point.load()
                specs = list(_declared_in(loaded)) if isinstance(loaded, ModuleType) else [spec_of(loaded)]
                for spec in specs:
                    if spec is None:
                        raise TypeError(f"{point.value} is not a skill")
                    self._add(_with_examples(spec, spec.file))
            except (SkillDeclarationError, ExampleError) as error:
                self.problems.extend(error.problems)
            except BaseException as error:  # a package's code is foreign code
                if isinstance(error, KeyboardInterrupt):
                    raise
                self.problems.append(Problem(f"entry point {point.name}", f"{type(error).__name__}: {error}", "mend or remove the package"))

    def _add(self, spec: SkillSpec) -> None:
        known = self.specs.get(spec.name)
        if known is not None:
            self.problems.append(
                Problem(
                    spec.where,
                    f"a skill {spec.name} is already declared in {known.file or known.where}",
                    f"rename the one in {spec.file or spec.where}",
                )
            )
            return
        self.specs[spec.name] = spec


def user_skill_examples(file: Path) -> Path | None:
    """The example file of a skill's file: beside it, or in the room examples/ beside its folder."""
    name = f"{file.stem}_examples.txt"
    for candidate in (file.with_name(name), file.parent.parent / "examples" / name):
        if candidate.is_file():
            return candidate
    return None


def _skill_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith(("_", "test_")))


def _stamp(folders: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of everything a skill is read from."""
    found = []
    for folder in folders:
        for file in _skill_files(folder):
            for part in (file, user_skill_examples(file)):
                try:
                    state = part.stat() if part else None
                except OSError:  # deleted since the listing
                    state = None
                if part and state:
                    found.append((str(part), state.st_size, state.st_mtime_ns))
    return tuple(found)


def _import_file(file: Path) -> ModuleType:
    name = f"otto_skill_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # typing.get_type_hints and pickling look it up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _declared_in(module: ModuleType) -> Iterator[SkillSpec]:
    for value in list(vars(module).values()):
        spec = spec_of(value)
        if spec is not None and getattr(value, "__module__", None) == module.__name__:
            _require_undo(spec, module)
            yield spec


def _require_undo(spec: SkillSpec, module: ModuleType) -> None:
    import inspect

    owner = spec.target if inspect.isclass(spec.target) else module
    if spec.undo and not callable(getattr(owner, spec.undo, None)):
        problem = Problem(spec.where, f"undo names {spec.undo}, which is not there", f"write def {spec.undo}(context: Context) beside it")
        raise SkillDeclarationError(f"The skill {spec.name} cannot be loaded", [problem])


def _with_examples(spec: SkillSpec, file: Path | None) -> SkillSpec:
    """The skill with the examples of its file too, each template written out."""
    path = user_skill_examples(file) if file else None
    examples = spec.examples + (read_example_file(path).all if path else ())
    problems = [problem for problem in (check_example(spec, example) for example in examples) if problem]
    if not problems and any(example.is_template for example in examples):
        examples, problems = expand(replace(spec, examples=examples))
    if problems:
        raise ExampleError(f"The examples of the skill {spec.name} do not fit it", problems)
    return replace(spec, examples=examples)


def _line_of(error: BaseException, file: Path) -> int:
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return error.lineno or 1
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _spec_from_signature(row: Mapping[str, Any], path: Path) -> SkillSpec:
    examples = tuple(Example(item["text"], _call(item["call"]), path.name) for item in row.get("examples", ()))
    parameters = tuple(_parameter_from_signature(item) for item in row.get("parameters", ()))
    Call(row["name"], {parameter.name: None for parameter in parameters})  # refuses what cannot be named so in a call
    return SkillSpec(
        name=row["name"],
        description=row.get("description", ""),
        parameters=parameters,
        examples=examples,
        where=path.name,
        file=path,
    )


def _call(row: Any) -> Call:
    return Call.parse(row) if isinstance(row, str) else Call(row["name"], row.get("arguments", {}))


def _parameter_from_signature(row: Mapping[str, Any]) -> Parameter:
    """What is not required is None where it was not said."""
    required = bool(row.get("required"))
    default: dict[str, Any] = {} if required else {"default": None, "nullable": True}
    choices = tuple(row.get("enum") or ())
    return Parameter(
        name=row["name"],
        description=row.get("description", ""),
        required=required,
        choices=choices,
        plain=None if choices else _SIGNATURE_TYPES[row.get("type", "string")],
        **default,
    )


_SIGNATURE_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}
