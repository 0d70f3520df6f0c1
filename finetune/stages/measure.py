"""Rows that the model in training answers before, while and after it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune.rows import TrainingRow
from finetune.stages import answers
from finetune.tracking import Tracker
from otto.registry import Registry


@dataclass(frozen=True)
class Measure:
    """Answers rows with the model in training, and keeps what it said."""

    rows: Sequence[TrainingRow]
    registry: Registry
    tokenizer: Any
    end: int
    settings: Any  # of the stage
    tracker: Tracker

    def score(self, trained: Any, step: int, name: str) -> dict[str, Any]:
        """Shares of the answers to all rows; {} where there are none."""
        if not self.rows:
            return {}
        shares, said = self._answer(trained, self.rows)
        self.tracker.predictions(step, [{"when": name, **row} for row in said])
        return shares

    def sample(self, trained: Any, step: int) -> None:
        """Answer a few rows and keep the answers."""
        rows = self.rows[: self.settings.evaluation.samples]
        if rows:
            _, said = self._answer(trained, rows)
            self.tracker.predictions(step, [{"when": "sample", **row} for row in said])

    def shares(self, trained: Any) -> dict[str, Any]:
        """As `score`; the answers are not kept."""
        return self._answer(trained, self.rows)[0]

    def _answer(self, trained: Any, rows: Sequence[TrainingRow]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        said = answers.answers(trained, self.tokenizer, [str(row.prompt) for row in rows], self.end, self.settings.evaluation)
        shares, verdicts = answers.score(rows, said, self.registry)
        return shares, answers.predictions(rows, said, verdicts)
