"""What a stage would do, before it does it: settings, memory, steps. Reads the rows and the base's sizes; loads no weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from finetune.config import AnyStage, Dpo, Grpo, Sft, to_yaml
from finetune.data.split import TRAIN, VALIDATION
from finetune.data.tokenizer import open_tokenizer
from finetune.estimate import Sizes, gib, memory
from finetune.rows import PreferenceRow, TrainingRow, read_preference_rows, read_training_rows, text_of
from finetune.skills import load_skills
from finetune.stages import model, processes
from finetune.stages.answers import check_rows


def describe(settings: AnyStage) -> Iterator[str]:
    """Lines for a person. Raises OttoError where the stage could not begin."""
    model.require_packages()
    gpu = model.on_gpu(settings)
    quantised = model.is_quantised(settings, gpu)
    needed = memory(settings, Sizes.read(settings.base), quantised, gpu)
    model.family(settings)
    begun = settings.adapter is not None and settings.adapter.is_dir()
    if begun:
        model.check_adapter(settings)
    rows = _rows(settings)
    learn = [row for row in rows if row.split == TRAIN]
    yield to_yaml(settings).rstrip()
    yield ""
    held = "in NF4, doubly quantised" if quantised else "as 16-bit numbers" if gpu else "as 32-bit numbers"
    yield f"device    {'GPU' if gpu else 'CPU'}, the base {held}"
    share = needed.trained / needed.parameters
    yield f"model     {needed.parameters:,} parameters, of which the adapter adds {needed.trained:,} ({share:.2%})"
    yield f"memory    about {gib(needed.total)}, an estimate: weights {gib(needed.weights)}, adapter {gib(needed.adapter)},"
    yield f"          activations {gib(needed.activations)}, logits {gib(needed.logits)}" + (f", CUDA {gib(needed.runtime)}" if gpu else "")
    there, where = model.free_memory(gpu)
    if needed.total > there:
        yield f"          which is more than {where} has: {gib(there)}"
    if settings.adapter is not None and not begun:
        yield f"adapter   {settings.adapter}, which is not there yet"
    yield f"rows      {len(learn):,} to learn from, {sum(row.split == VALIDATION for row in rows):,} to watch"
    steps, count = _steps(settings, learn), processes.promised()
    schedule = settings.training
    each = f"{schedule.batch} × {schedule.accumulate}" + (f" × {count} processes" if count > 1 else "")
    yield (
        f"steps     {steps:,}, each of {each}; warm-up {math.ceil(steps * schedule.warmup):,};"
        f" an evaluation and a checkpoint every {min(schedule.every, steps):,}"
    )


def _rows(settings: AnyStage) -> Sequence[TrainingRow | PreferenceRow]:
    """What is learned from; checked, as is what is answered beside it. A call of another skill is refused here already."""
    registry = load_skills(settings.skills)
    if not isinstance(settings, Dpo):
        rows = read_training_rows(settings.data)
        check_rows(rows, registry, settings.data.name)
        return rows
    if settings.rows:
        check_rows(read_training_rows(settings.rows), registry, settings.rows.name)
    return read_preference_rows(settings.data)


def _steps(settings: AnyStage, rows: Sequence[TrainingRow | PreferenceRow]) -> int:
    """Of all epochs; with packing an estimate, from sequences that are full."""
    if settings.training.steps:
        return settings.training.steps
    sequences: float = len(rows) * (settings.group if isinstance(settings, Grpo) else 1)
    if isinstance(settings, Sft) and settings.packing and rows:
        counter = open_tokenizer(settings.base if (Path(settings.base) / "tokenizer.json").is_file() else None)
        tokens = sum(counter.counts([text_of(row.prompt) + row.answer for row in rows if isinstance(row, TrainingRow)]))
        sequences = math.ceil(tokens / settings.training.max_length)
    passes = math.ceil(sequences / (settings.training.batch * processes.promised()))
    an_epoch = max(1, math.ceil(passes / settings.training.accumulate))
    return math.ceil(an_epoch * settings.training.epochs)
