"""What a stage would do, before it does it: settings, memory, steps. Reads the rows and the base's sizes; loads no weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from finetune.config import AnyStage, Grpo, Sft, to_yaml
from finetune.data.split import TRAIN, VALIDATION
from finetune.data.tokenizer import open_tokenizer
from finetune.estimate import Sizes, gib, memory
from finetune.rows import PreferenceRow, TrainingRow, read_preference_rows, read_training_rows, text_of
from finetune.stages.model import is_quantised, on_gpu, require_packages


def describe(settings: AnyStage) -> Iterator[str]:
    """Lines for a person. Raises OttoError where the stage could not begin."""
    require_packages()
    gpu = on_gpu(settings)
    quantised = is_quantised(settings, gpu)
    needed = memory(settings, Sizes.read(settings.base), quantised, gpu)
    rows: list[TrainingRow] | list[PreferenceRow]
    rows = read_preference_rows(settings.data) if settings.stage == "dpo" else read_training_rows(settings.data)
    learn = [row for row in rows if row.split == TRAIN]
    yield to_yaml(settings).rstrip()
    yield ""
    held = "in NF4, doubly quantised" if quantised else "as 16-bit numbers" if gpu else "as 32-bit numbers"
    yield f"device    {'GPU' if gpu else 'CPU'}, the base {held}"
    share = needed.trained / needed.parameters
    yield f"model     {needed.parameters:,} parameters, of which the adapter adds {needed.trained:,} ({share:.2%})"
    yield f"memory    about {gib(needed.total)}, an estimate: weights {gib(needed.weights)}, adapter {gib(needed.adapter)},"
    yield f"          activations {gib(needed.activations)}, logits {gib(needed.logits)}" + (f", CUDA {gib(needed.runtime)}" if gpu else "")
    yield f"rows      {len(learn):,} to learn from, {sum(row.split == VALIDATION for row in rows):,} to watch"
    steps = _steps(settings, learn)
    schedule = settings.training
    yield (
        f"steps     {steps:,}, each of {schedule.batch} × {schedule.accumulate}; warm-up {math.ceil(steps * schedule.warmup):,};"
        f" an evaluation and a checkpoint every {min(schedule.every, steps):,}"
    )


def _steps(settings: AnyStage, rows: list[TrainingRow] | list[PreferenceRow]) -> int:
    """Of all epochs; with packing an estimate, from sequences that are full."""
    if settings.training.steps:
        return settings.training.steps
    sequences: float = len(rows) * (settings.group if isinstance(settings, Grpo) else 1)
    if isinstance(settings, Sft) and settings.packing and rows:
        counter = open_tokenizer(settings.base if (Path(settings.base) / "tokenizer.json").is_file() else None)
        tokens = sum(counter.counts([text_of(row.prompt) + row.answer for row in rows if isinstance(row, TrainingRow)]))
        sequences = math.ceil(tokens / settings.training.max_length)
    an_epoch = max(1, math.ceil(math.ceil(sequences / settings.training.batch) / settings.training.accumulate))
    return math.ceil(an_epoch * settings.training.epochs)
