"""Supervised tuning: QLoRA on a GPU, LoRA on a CPU, the loss on the answers alone (Dettmers et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.config import Sft
from finetune.data.split import TRAIN, VALIDATION
from finetune.rows import TrainingRow, read_training_rows
from finetune.skills import load_skills
from finetune.stages import answers, model, training
from finetune.stages.tokens import Tokenised, encoder, training_tokens
from finetune.tracking import Tracker
from otto.errors import UsageError
from otto.registry import Registry

Note = Callable[[str], None]


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


def run(settings: Sft, note: Note) -> training.Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter.

    Raises:
        OttoError: the data, the base, the machine or the disk is not as it should be; what was learned until then is kept.
    """
    model.require_packages()
    with training.quiet():
        return _run(settings, note)


def _run(settings: Sft, note: Note) -> training.Outcome:
    registry = load_skills(settings.skills)
    rows = read_training_rows(settings.data)
    answers.check_rows(rows, registry, settings.data.name)
    gpu, quantised = model.prepare(settings)
    begun_from = [settings.adapter / "adapter_model.safetensors"] if settings.adapter else []
    tracker, done = training.begin(settings, [settings.data, *begun_from])
    if done:
        note(f"{settings.out} is done already")
        return done
    prompts = model.family(settings)
    tokenizer = model.load_tokenizer(settings, prompts)
    new_tokens = model.add_thinking_tokens(tokenizer, rows)
    end = model.end_token(tokenizer, prompts)
    encode = encoder(tokenizer, end)
    learn = training_tokens([row for row in rows if row.split == TRAIN], encode, settings.training.max_length)
    held = [row for row in rows if row.split == VALIDATION]
    watch = training_tokens(held, encode, settings.training.max_length)
    tell_too_long(learn, settings, note)
    trained = model.with_adapter(model.load_base(settings, gpu, quantised), settings, tokenizer, new_tokens)
    measure = Measure(held[: settings.evaluation.rows], registry, tokenizer, end, settings, tracker)
    return training.carry_out(lambda: _trainer(settings, trained, tokenizer, learn, watch, gpu), trained, measure, note)


def tell_too_long(found: Tokenised, settings: Any, note: Note) -> None:
    """Say which rows are left out. Raises UsageError where none is left."""
    limit = settings.training.max_length
    if found.too_long:
        note(f"{len(found.too_long):,} rows are longer than {limit:,} tokens and left out, {found.too_long[0]} for one: raise training.max_length")
    if not found.rows:
        why = "all are longer than training.max_length" if found.too_long else "none is of the split train"
        raise UsageError(f"{settings.data} has no row to learn from ({why})", "collect the data anew")


def _trainer(settings: Sft, trained: Any, tokenizer: Any, learn: Tokenised, watch: Tokenised, gpu: bool) -> Any:
    from datasets import Dataset
    from transformers import EarlyStoppingCallback
    from trl import SFTConfig, SFTTrainer

    schedule = settings.training
    evaluates = bool(watch.rows)
    stopping = [EarlyStoppingCallback(early_stopping_patience=schedule.patience)] if evaluates and schedule.patience else []
    return SFTTrainer(
        model=trained,
        args=SFTConfig(**training.arguments(settings, gpu, evaluates), packing=settings.packing, eval_packing=False),
        train_dataset=Dataset.from_list(learn.rows),
        eval_dataset=Dataset.from_list(watch.rows) if evaluates else None,
        processing_class=tokenizer,
        callbacks=stopping,
    )
