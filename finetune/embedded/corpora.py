"""Extra corpora: other people's skills, to learn from how signatures are read, and their sentences as stray talk for ours.

`corpora.json` says for the known ones how much each counts, and which of its intents our own skills cover, so that its
sentences are not taught as stray talk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.embedded.rows import Row, rows_of_corpus
from otto.errors import UsageError
from otto.registry import Registry
from otto.skill import SkillSpec


@dataclass(frozen=True)
class Corpus:
    """The rows of one file with the signatures of their skills."""

    name: str
    path: Path
    specs: tuple[SkillSpec, ...]
    rows: tuple[Row, ...]
    strays: tuple[Row, ...]
    weight: float


def read_corpus(path: Path) -> Corpus:
    """`NAME_train.jsonl` with the signatures in `skills/NAME.json` beside it.

    Raises:
        UsageError: there are no signatures.
        StoreError: a file cannot be read.
    """
    name = path.stem.split("_")[0]
    signatures = path.parent / "skills" / f"{name}.json"
    if not signatures.is_file():
        raise UsageError(f"There are no signatures for {path.name}", f"put them into {signatures}")
    registry = Registry.from_json(signatures)
    rows = tuple(rows_of_corpus(path, registry))
    about = json.loads((Path(__file__).parent / "corpora.json").read_text(encoding="utf-8")).get(name, {})
    covered = set(about.get("covered", ()))
    foreign = [row for row in rows if row.skill not in covered]
    step = max(1, round(1 / about.get("stray_share", 1.0)))
    return Corpus(name, path, tuple(registry), rows, tuple(foreign[::step]), float(about.get("weight", 1.0)))


def strays_of(corpora: Sequence[Corpus]) -> tuple[Row, ...]:
    """All sentences that ask for nothing that our skills do."""
    return tuple(row for corpus in corpora for row in corpus.strays)
