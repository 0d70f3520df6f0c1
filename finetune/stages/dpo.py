"""Preference tuning of an adapter; the reference is a frozen copy of the adapter itself, so no second model is held (Rafailov et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune.config import Dpo
from finetune.data.split import TRAIN, VALIDATION
from finetune.rows import read_preference_rows, read_training_rows
from finetune.stages import stage, training
from finetune.stages.tokens import preference_tokens
from finetune.tracking import Opener


def run(settings: Dpo, note: stage.Note, sinks: Sequence[Opener] = ()) -> training.Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter. Raises as `stage.run`."""
    pairs = read_preference_rows(settings.data)
    rows = read_training_rows(settings.rows) if settings.rows else []
    learn, watch = ([pair for pair in pairs if pair.split == split] for split in (TRAIN, VALIDATION))
    limit = settings.training.max_length
    kind = stage.Kind(lambda encode, _: (preference_tokens(learn, encode, limit), preference_tokens(watch, encode, limit)), _trainer)
    return stage.run(settings, rows, kind, note, sinks)


def _trainer(given: stage.Given) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class OnTokens(DPOTrainer):  # type: ignore[misc]  # TRL is not typed
        """Takes rows that are tokens already: TRL would begin a rendered prompt with a second <s>."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    settings, watches = given.settings, bool(given.watch.rows)
    beside = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, settings.sft_weight]} if settings.sft_weight else {}
    return OnTokens(
        model=given.trained,
        args=DPOConfig(**training.arguments(settings, given.gpu, watches), beta=settings.beta, **beside),
        train_dataset=Dataset.from_list(given.learn.rows),
        eval_dataset=Dataset.from_list(given.watch.rows) if watches else None,
        processing_class=given.tokenizer,
        callbacks=training.early_stopping(settings, watches),
    )
