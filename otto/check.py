"""Finds what is wrong with skills: in their declarations, in their examples, and between them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from otto.align import align
from otto.errors import Problem, StoreError
from otto.registry import Registry, user_skill_examples
from otto.skill import OTHER, SkillSpec
from otto.words import normal_text

FEW_EXAMPLES = 5  # fewer teach nobody how a skill is asked for


def check_skills(path: Path | None, user_folder: Path) -> tuple[list[str], list[Problem]]:
    """The names of the skills that can be used, and every problem.

    Args:
        path: a skill's file, a folder of them, or a JSON file of signatures; None for all that is installed.
        user_folder: the user's own skills.

    Raises:
        StoreError: there is nothing to check at `path`.
    """
    if path is None:
        registry = Registry.load(user_folder)
    elif path.is_dir():
        registry = Registry.from_folder(path)
        if not registry.specs and not registry.problems:
            raise StoreError(
                f"There is no skill in {path}", "give a folder of .py files, or write one: otto skills new NAME"
            )
    elif path.suffix == ".json":
        registry = Registry.from_json(path)
        return list(registry.specs), registry.problems
    elif path.suffix == ".py" and path.is_file():
        registry = skills_of_file(path)
    else:
        raise StoreError(
            f"{path} is {'no skill' if path.exists() else 'not there'}",
            "give a .py file, a folder of them, or a .json file",
        )
    problems = [*registry.problems, *_example_problems(registry)]
    return list(registry.specs), problems


def skills_of_file(file: Path) -> Registry:
    """The skills of one file. A copy is loaded, with its examples: what else lies in the folder is not to be run."""
    with tempfile.TemporaryDirectory() as folder:
        for part in (file, user_skill_examples(file)):
            if part is not None:
                shutil.copy(part, folder)
        return Registry.from_folder(Path(folder))


def _example_problems(registry: Registry) -> Iterator[Problem]:
    for spec in registry:
        if spec.name != OTHER:
            yield from _few(spec)
            yield from _not_aligned(spec)
    yield from _contradictions(registry)


def _few(spec: SkillSpec) -> Iterator[Problem]:
    count = sum(example.call.name == spec.name for example in spec.examples)
    if count < FEW_EXAMPLES:
        file = f"{spec.file.stem if spec.file else spec.name}_examples.txt"
        what = f"{spec.name} has {count or 'no'} example{'s' * (count != 1)}, and nothing learns from so few how it is asked for"
        yield Problem(spec.where, what, f"write at least {FEW_EXAMPLES} into {file}")


def _not_aligned(spec: SkillSpec) -> Iterator[Problem]:
    """A text argument that is not in what was said can be learned by nobody: the router only takes words of the sentence."""
    for example in spec.examples:
        for name in align(spec, example).missing:
            value = example.call.arguments[name]
            yield Problem(
                example.where,
                f"{name}={value!r} is not in the words {example.text!r}",
                "write the argument in words that are said",
            )


def _contradictions(registry: Iterable[SkillSpec]) -> Iterator[Problem]:
    """One sentence that teaches two calls."""
    seen: dict[str, tuple[str, str, str]] = {}  # words → call, its canonical text, where
    for spec in registry:
        for example in spec.examples:
            words = normal_text(example.text)
            call = str(spec.canonical(example.call)) if example.call.name == spec.name else str(example.call)
            before = seen.setdefault(words, (str(example.call), call, example.where))
            if before[1] != call:
                what = f"{example.text!r} teaches {example.call}, and {before[0]} in {before[2]}"
                yield Problem(example.where, what, "delete or change one of the two")
