"""How often the skill that is meant is among those that the Llama is shown, where there are too many to show them all."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from otto.call import Call
from otto.registry import Registry
from otto.router.llama import LIKELY
from otto.router.retriever import Retriever
from otto.skill import Example
from tests.bench.corpus import SEED
from tests.bench.figures import Recall

SHOWN = (1, 3, LIKELY, 24)
_SETS = {"clinc": "clinc_val.jsonl", "hwu64": "slurp_devel.jsonl"}  # signatures → sentences that are in no training file


def recalls(data: Path, count: int | None = None) -> list[Recall]:
    """Of public sentences, with signatures alone and with examples; none where the data are missing."""
    found = []
    for source, name in _SETS.items():
        if not (data / name).is_file():
            continue
        registry = Registry.from_json(data / "skills" / f"{source}.json")
        cases = [(text, skill) for text, skill in _rows(data / name) if skill in registry.specs]
        cases = random.Random(SEED).sample(cases, min(count or 500, len(cases)))
        said: dict[str, list[Example]] = {}
        for text, skill in _rows(data / f"{source}_train.jsonl"):
            said.setdefault(skill, []).append(Example(text, Call(skill)))
        taught = [replace(spec, examples=tuple(said.get(spec.name, ()))) for spec in registry]
        for what, specs in (("signatures alone", list(registry)), ("with examples", taught)):
            found += _measured(f"{source}, {what}", len(specs), cases, Retriever(specs).nearest)
    return found


def _rows(path: Path) -> list[tuple[str, str]]:
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [(row["text"], row["skill"]["name"]) for row in rows if row["skill"]]


def _measured(what: str, skills: int, cases: Sequence[tuple[str, str]], nearest: Callable[[str, int], list[str]]) -> list[Recall]:
    ranked = [(skill, nearest(text, max(SHOWN))) for text, skill in cases]
    return [Recall(what, skills, shown, sum(skill in names[:shown] for skill, names in ranked), len(ranked)) for shown in SHOWN]
