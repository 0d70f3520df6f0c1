"""Preference tuning of an adapter; the reference is a frozen copy of the adapter itself, so no second model is held (Rafailov et al. 2023)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.config import Dpo
from finetune.data.split import TRAIN, VALIDATION
from finetune.rows import read_preference_rows, read_training_rows
from finetune.skills import load_skills
from finetune.stages import answers, model, training
from finetune.stages.sft import Measure, Note, tell_too_long
from finetune.stages.tokens import Tokenised, encoder, preference_tokens


def run(settings: Dpo, note: Note) -> training.Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter.

    Raises:
        OttoError: the data, the base, the adapter, the machine or the disk is not as it should be; what was learned until then is kept.
    """
    model.require_packages()
    with training.quiet():
        return _run(settings, note)


def _run(settings: Dpo, note: Note) -> training.Outcome:
    registry = load_skills(settings.skills)
    pairs = read_preference_rows(settings.data)
    rows = [row for row in read_training_rows(settings.rows) if row.split == VALIDATION] if settings.rows else []
    answers.check_rows(rows, registry, settings.rows.name if settings.rows else "")
    gpu, quantised = model.prepare(settings)
    tracker, done = training.begin(settings, [settings.data, *_files(settings)])
    if done:
        note(f"{settings.out} is done already")
        return done
    prompts = model.family(settings)
    tokenizer = model.load_tokenizer(settings, prompts)
    end = model.end_token(tokenizer, prompts)
    encode = encoder(tokenizer, end)
    learn = preference_tokens([pair for pair in pairs if pair.split == TRAIN], encode, settings.training.max_length)
    watch = preference_tokens([pair for pair in pairs if pair.split == VALIDATION], encode, settings.training.max_length)
    tell_too_long(learn, settings, note)
    trained = model.with_adapter(model.load_base(settings, gpu, quantised), settings, tokenizer, [])
    measure = Measure(rows[: settings.evaluation.rows], registry, tokenizer, end, settings, tracker)
    return training.carry_out(lambda: _trainer(settings, trained, tokenizer, learn, watch, gpu), trained, measure, note)


def _files(settings: Dpo) -> list[Path]:
    """What decides the result beside the pairs."""
    weights = [settings.adapter / "adapter_model.safetensors"] if settings.adapter else []
    return [*([settings.rows] if settings.rows else []), *weights]


def _trainer(settings: Dpo, trained: Any, tokenizer: Any, learn: Tokenised, watch: Tokenised, gpu: bool) -> Any:
    from datasets import Dataset
    from transformers import EarlyStoppingCallback
    from trl import DPOConfig, DPOTrainer

    class OnTokens(DPOTrainer):  # type: ignore[misc]  # TRL is not typed
        """Takes rows that are tokens already: TRL would begin a rendered prompt with a second <s>."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    schedule = settings.training
    evaluates = bool(watch.rows)
    beside = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, settings.sft_weight]} if settings.sft_weight else {}
    return OnTokens(
        model=trained,
        args=DPOConfig(**training.arguments(settings, gpu, evaluates), beta=settings.beta, **beside),
        train_dataset=Dataset.from_list(learn.rows),
        eval_dataset=Dataset.from_list(watch.rows) if evaluates else None,
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=schedule.patience)] if evaluates and schedule.patience else [],
    )
