"""Supervised tuning: QLoRA on a GPU, LoRA on a CPU, the loss on the answers alone (Dettmers et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune.config import Sft
from finetune.data.split import TRAIN, VALIDATION
from finetune.rows import read_training_rows
from finetune.stages import stage, training
from finetune.stages.tokens import training_tokens
from finetune.tracking import Opener


def run(settings: Sft, note: stage.Note, sinks: Sequence[Opener] = ()) -> training.Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter. Raises as `stage.run`."""
    rows = read_training_rows(settings.data)
    learn, watch = ([row for row in rows if row.split == split] for split in (TRAIN, VALIDATION))
    limit = settings.training.max_length
    kind = stage.Kind(lambda encode, _: (training_tokens(learn, encode, limit), training_tokens(watch, encode, limit)), _trainer)
    return stage.run(settings, rows, kind, note, sinks)


def _trainer(given: stage.Given) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    settings, watches = given.settings, bool(given.watch.rows)
    return SFTTrainer(
        model=given.trained,
        args=SFTConfig(**training.arguments(settings, given.gpu, watches), packing=settings.packing, eval_packing=False),
        train_dataset=Dataset.from_list(given.learn.rows),
        eval_dataset=Dataset.from_list(given.watch.rows) if watches else None,
        processing_class=given.tokenizer,
        callbacks=training.early_stopping(settings, watches),
    )
