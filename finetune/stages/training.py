"""What the stages share of training: arguments of the trainers, the log, going on after a kill, and saving the adapter."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.checkpoints import last_whole, step_of
from finetune.config import AnyStage
from finetune.stages import processes
from finetune.stages.endings import AGAIN, Stopped, no_room, stoppable
from finetune.tracking import Tracker
from otto.errors import StoreError

SHOWN = ("loss", "eval_loss", "rewards/margins", "eval_rewards/margins", "reward", "eval_reward", "kl")
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Outcome:
    """What a stage left."""

    adapter: Path
    before: dict[str, Any]  # shares, as `Measure.score` gives them; {} where there are no rows to answer
    after: dict[str, Any]
    steps: int


def arguments(settings: AnyStage, gpu: bool, evaluates: bool) -> dict[str, Any]:
    """What the arguments of TRL's trainers have in common."""
    schedule = settings.training
    strategy = "steps" if evaluates else "no"
    return {
        "output_dir": str(settings.out / CHECKPOINTS),
        "num_train_epochs": schedule.epochs,
        "max_steps": schedule.steps or -1,
        "learning_rate": schedule.learning_rate,
        "lr_scheduler_type": schedule.decay if schedule.decay != "constant" else "constant_with_warmup",
        "warmup_steps": schedule.warmup if schedule.warmup < 1 else 0.999,  # a share of all steps
        "per_device_train_batch_size": schedule.batch,
        "per_device_eval_batch_size": schedule.batch,
        "gradient_accumulation_steps": schedule.accumulate,
        "weight_decay": schedule.weight_decay,
        "max_grad_norm": schedule.max_grad_norm,
        "activation_checkpointing": schedule.checkpointing,
        "gradient_checkpointing": schedule.checkpointing,  # TRL reads the older name
        "restore_callback_states_from_checkpoint": True,  # how long early stopping has waited
        "seed": schedule.seed,
        "data_seed": schedule.seed,
        "bf16": gpu,
        "use_cpu": not gpu,
        "eval_strategy": strategy,
        "save_strategy": "steps",
        "eval_steps": schedule.every,
        "save_steps": schedule.every,
        "save_total_limit": schedule.keep,
        "load_best_model_at_end": evaluates,
        "metric_for_best_model": "eval_loss" if evaluates else None,
        "greater_is_better": False if evaluates else None,
        "logging_steps": max(1, schedule.every // 10),
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": gpu,
        "ddp_find_unused_parameters": False,  # each is used; and a value head is used outside the model, where it would seem not to be
        "max_length": schedule.max_length,
    }


def early_stopping(settings: AnyStage, watches: bool) -> list[Any]:
    """The callback that ends a stage which has ceased to get better, where there is something to watch."""
    from transformers import EarlyStoppingCallback

    patience = settings.training.patience
    return [EarlyStoppingCallback(early_stopping_patience=patience)] if watches and patience else []


def train(trainer: Any, settings: AnyStage, tracker: Tracker, note: Callable[[str], None], sample: Callable[[int], None]) -> int:
    """Train to the end, from the last whole checkpoint where there is one; the number of steps taken in all.

    Raises:
        Stopped: ctrl-C or a request to end; what was learned is kept.
    """
    from transformers import PrinterCallback

    checkpoint = processes.on_main(lambda: _go_on_from(settings.out / CHECKPOINTS, note))
    tracker.rewind(step_of(checkpoint) if checkpoint else 0)
    trainer.remove_callback(PrinterCallback)
    with stoppable(note) as stop:
        trainer.add_callback(_log(tracker, sample, stop, note))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    step, steps = int(trainer.state.global_step), int(trainer.state.max_steps)
    if processes.in_any(stop.is_set(), trainer.args.device) and step < steps and not _has_waited(trainer):
        tracker.update(steps=step)
        raise Stopped(f"Stopped at step {step} of {steps}", AGAIN)
    return step


def _has_waited(trainer: Any) -> bool:
    """Whether early stopping has ended it."""
    from transformers import EarlyStoppingCallback

    found = [item for item in trainer.callback_handler.callbacks if isinstance(item, EarlyStoppingCallback)]
    return any(item.early_stopping_patience_counter >= item.early_stopping_patience for item in found)


def _go_on_from(folder: Path, note: Callable[[str], None]) -> Path | None:
    checkpoint, broken = last_whole(folder)
    for path in broken:
        note(f"{path} was cut short and is left out")
        shutil.rmtree(path)
    if checkpoint:
        note(f"Going on from step {step_of(checkpoint)}")
    return checkpoint


def save_adapter(trainer: Any, tokenizer: Any, folder: Path) -> None:
    """Write the adapter and its tokenizer whole or not at all. Raises StoreError."""
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if processes.is_split() else None
    model = trainer.accelerator.unwrap_model(trainer.model)
    processes.on_main(lambda: _write_adapter(model, weights, tokenizer, folder))


def _write_adapter(model: Any, weights: dict[str, Any] | None, tokenizer: Any, folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        model.save_pretrained(draft, selected_adapters=["default"], state_dict=weights)
        tokenizer.save_pretrained(draft)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)
    except Exception as error:
        shutil.rmtree(draft, ignore_errors=True)
        if full := no_room(error):
            raise StoreError(f"The adapter cannot be written to {folder} ({full})", f"make room, and {AGAIN}") from None
        raise


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars and warnings of the libraries, which say nothing to a user."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # on a CPU it warns of a kernel that is not used here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            transformers.utils.logging.set_verbosity(before)
            datasets.enable_progress_bars()
            transformers.utils.logging.enable_progress_bar()


def _log(tracker: Tracker, sample: Callable[[int], None], stop: threading.Event, note: Callable[[str], None]) -> Any:
    from transformers import TrainerCallback

    class Log(TrainerCallback):
        """Each log to the tracker, samples at each evaluation, and an evaluation at the very end."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            if logs:
                tracker.metrics(state.global_step, logs)
                figures = [f"{name} {logs[name]:.4g}" for name in SHOWN if name in logs]
                if figures:
                    note(f"step {state.global_step} of {state.max_steps}: {', '.join(figures)}")

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            sample(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            last, stopped = state.global_step >= state.max_steps, processes.in_any(stop.is_set(), args.device)
            control.should_save = control.should_save or last or stopped
            control.should_evaluate = control.should_evaluate or (last and args.eval_strategy != "no")
            control.should_training_stop = control.should_training_stop or stopped

    return Log()
