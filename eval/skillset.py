"""Which skills a case is routed with."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from eval.cases import Case
from otto.config import Settings
from otto.errors import StoreError, UsageError
from otto.registry import Registry
from otto.skill import OTHER, Example, SkillSpec

INSTALLED = "installed"


@dataclass(frozen=True)
class Skillset:
    """All skills of a run, and how many of them a case sees."""

    registry: Registry
    candidates: int | None = None  # skills a case sees beside `other`; None is all
    seed: int = 0
    own: Mapping[str, Registry] = field(default_factory=dict)  # case id → skills of this case alone

    @property
    def varies(self) -> bool:
        """Whether cases see different skills."""
        return self.candidates is not None or bool(self.own)

    def specs_of(self, case: Case) -> Mapping[str, SkillSpec]:
        """The declarations that a case's calls are read with."""
        return self.own.get(case.id, self.registry).specs

    def for_case(self, case: Case) -> Registry:
        """The case's own skills among others, in an order that tells nothing; all drawn by the seed and the case's id."""
        if case.id in self.own:
            return self.own[case.id]
        if self.candidates is None:
            return self.registry
        rng = random.Random(f"{self.seed}:{case.id}")
        own = sorted({call.name for calls in case.gold for call in calls} - {OTHER})
        others = sorted(set(self.registry.specs) - {OTHER, *own})
        names = own + rng.sample(others, max(0, min(self.candidates - len(own), len(others))))
        rng.shuffle(names)
        kept = names + [OTHER] * (OTHER in self.registry.specs)
        return Registry.of(self.registry.specs[name] for name in kept)


def load_skills(skills: str, settings: Settings) -> Registry:
    """The skills of this machine (`installed`), those of a folder, or of a file of signatures.

    Raises:
        StoreError: the folder has no skill; the file cannot be read or has another format.
    """
    if skills == INSTALLED:
        return Registry.load(settings.paths.skills)
    path = Path(skills).expanduser()
    if not path.is_dir():
        return Registry.from_json(path)
    registry = Registry.from_folder(path)
    if not registry.specs:
        reason = f" ({registry.problems[0]})" if registry.problems else ""
        raise StoreError(f"There is no skill in {path}{reason}", "give a folder of .py files")
    return registry


def require_candidates(candidates: int | None, registry: Registry) -> None:
    """Raises UsageError where there are not as many skills."""
    there = len(set(registry.specs) - {OTHER})
    if candidates is not None and not 2 <= candidates <= there:
        raise UsageError(f"--candidates {candidates} does not fit {there} skills", f"give a number from 2 to {there}")


def taught(registry: Registry, lessons: Iterable[Case]) -> Registry:
    """The skills with the cases of a training file as their examples: what a router that learns from examples is trained on.

    A case of several calls teaches nothing, since an example has one.
    """
    examples: dict[str, list[Example]] = {OTHER: []}
    for lesson in lessons:
        if len(lesson.gold[0]) == 1:
            call = lesson.gold[0][0]
            examples.setdefault(call.name, []).append(Example(lesson.text, call, lesson.where))
    other = registry.specs.get(OTHER, SkillSpec(OTHER, "No skill fits."))
    specs = {**registry.specs, **({OTHER: other} if examples[OTHER] else {})}
    return Registry.of(replace(spec, examples=(*spec.examples, *examples.get(name, ()))) for name, spec in specs.items())


def relaxed(registry: Registry, cases: Sequence[Case]) -> tuple[Registry, list[str]]:
    """The skills with those parameters optional that a gold call leaves out, and these parameters' names.

    Only where the skills are signatures: public data says what a service needs in the end, and its users say the rest later. To hold a router
    to it would make such a case impossible to get right.
    """
    missing: dict[str, set[str]] = {}
    for call in (call for case in cases for calls in case.gold for call in calls):
        spec = registry.specs.get(call.name)
        if spec and spec.target is None:
            absent = {parameter.name for parameter in spec.parameters if parameter.required and parameter.name not in call.arguments}
            missing.setdefault(spec.name, set()).update(absent)
    names = sorted(f"{skill}.{name}" for skill, absent in missing.items() for name in absent)
    return Registry.of(_relaxed(spec, missing.get(spec.name, set())) for spec in registry) if names else registry, names


def _relaxed(spec: SkillSpec, names: set[str]) -> SkillSpec:
    parameters = tuple(
        replace(parameter, required=False, default=None, nullable=True) if parameter.name in names else parameter for parameter in spec.parameters
    )
    return replace(spec, parameters=parameters)
