"""The experiment of docs/finetune.md on reflection: `python -m tests.finetune.measure_reflection FOLDER [SEEDS]`.

The sentences, skills and base are those of the tests of the stages; a third of the sentences are kept for the test, a twelfth are watched.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from finetune.commands.reflection import show
from finetune.config import Sft, load_stage, shipped
from finetune.reflection import experiment
from tests.finetune import bases


def main(folder: Path, seeds: int) -> None:
    base = folder / "tiny-mistral"
    if not base.is_dir():
        base.mkdir(parents=True)
        bases.make_base("mistral", base)
        (folder / "skills").mkdir()
        (folder / "skills" / "toy.py").write_text(bases.SKILLS)
    parts = ["test" if number % 3 == 0 else "validation" if number % 12 == 1 else "train" for number in range(len(bases.rows()))]
    rows = [replace(row, split=part) for row, part in zip(bases.rows(), parts, strict=True)]
    given = {"base": base, "skills": folder / "skills", "data": bases.write_rows(folder / "rows.jsonl", rows), "out": folder / "runs"}
    more = ("training.max_length=256", "training.steps=200", "training.batch=8", "training.every=100", "training.patience=0", "evaluation.max_new_tokens=160", "evaluation.samples=0")
    settings = load_stage(shipped("sft"), [*(f"{name}={value}" for name, value in given.items()), *bases.HALF_TUNED, *more])
    assert isinstance(settings, Sft)
    show(experiment(settings, seeds, 0.5, print))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
