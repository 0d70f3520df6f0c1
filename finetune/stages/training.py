"""What the stages share: arguments of the trainers, the log, going on after a kill, an orderly stop, and saving the adapter."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.checkpoints import last_whole, step_of
from finetune.config import AnyStage, to_yaml
from finetune.tracking import CONFIG, DONE, FAILED, RUNNING, STOPPED, Tracker, file_hash
from otto.errors import ModelError, OttoError, StoreError, UsageError

AGAIN = "give the same command again to go on from there"
SHOWN = ("loss", "eval_loss", "rewards/margins", "eval_rewards/margins", "reward", "eval_reward", "kl")
CHECKPOINTS, ADAPTER = "checkpoints", "adapter"


@dataclass(frozen=True)
class Outcome:
    """What a stage left."""

    adapter: Path
    before: dict[str, Any]  # shares, as `Measure.score` gives them; {} where there are no rows to answer
    after: dict[str, Any]
    steps: int


class Stopped(OttoError):
    """The stage was stopped from outside, with a checkpoint to go on from."""


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
        "max_length": schedule.max_length,
    }


def begin(settings: AnyStage, data: list[Path]) -> tuple[Tracker, Outcome | None]:
    """The tracker of a run, begun or to be gone on with; with its outcome where it is done already.

    Raises:
        UsageError: in its folder lies a run of other settings or other data.
    """
    tracker = Tracker(settings.out)
    run = tracker.read()
    if run:
        config = settings.out / CONFIG
        same = config.is_file() and config.read_text(encoding="utf-8") == to_yaml(settings)
        if not same or list(run.get("data", {}).values()) != [file_hash(path) for path in data]:
            what = "data" if same else "settings"
            raise UsageError(f"In {settings.out} lies a run of other {what}", "name another folder with out=FOLDER, or delete that one")
        if run.get("state") == DONE:
            return tracker, Outcome(settings.out / ADAPTER, run.get("before", {}), run.get("after", {}), run.get("steps", 0))
    tracker.start(settings.stage, to_yaml(settings), data, {name: run[name] for name in ("before",) if name in run})
    return tracker, None


def train(trainer: Any, settings: AnyStage, tracker: Tracker, note: Callable[[str], None], sample: Callable[[int], None]) -> int:
    """Train to the end, from the last whole checkpoint where there is one; the number of steps taken in all.

    Raises:
        Stopped: ctrl-C or a request to end; what was learned is kept.
        StoreError: the disk is full.
        ModelError: the GPU's memory is.
    """
    checkpoint, broken = last_whole(settings.out / CHECKPOINTS)
    for path in broken:
        note(f"{path} was cut short and is left out")
        shutil.rmtree(path)
    if checkpoint:
        note(f"Going on from step {step_of(checkpoint)}")
    tracker.rewind(step_of(checkpoint) if checkpoint else 0)
    stop = threading.Event()
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_log(tracker, sample, stop, note))
    with _stopping(stop, note), _sentences(tracker, settings):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    step = int(trainer.state.global_step)
    if stop.is_set() and step < trainer.state.max_steps:
        tracker.finish(STOPPED, steps=step)
        raise Stopped(f"Stopped at step {step} of {trainer.state.max_steps}", AGAIN)
    return step


def carry_out(build: Callable[[], Any], trained: Any, measure: Any, note: Callable[[str], None]) -> Outcome:
    """Score, train, score again, and leave the adapter in OUT/adapter.

    Args:
        build: makes the trainer of `trained`.
        trained: the model with its adapter.
        measure: answers rows (`sft.Measure`); its tracker is the run's.
        note: where words go.

    Raises:
        OttoError: as `train` and `save_adapter`.
    """
    settings, tracker = measure.settings, measure.tracker
    before = tracker.read().get("before") or measure.score(trained, 0, "before")
    tracker.update(before=before)
    steps = train(build(), settings, tracker, note, lambda step: measure.sample(trained, step))
    after = measure.score(trained, steps, "after")
    save_adapter(trained, measure.tokenizer, settings.out / ADAPTER)
    tracker.finish(DONE, after=after, steps=steps)
    return Outcome(settings.out / ADAPTER, before, after, steps)


def save_adapter(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write the adapter and its tokenizer whole or not at all. Raises StoreError."""
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        model.save_pretrained(draft, selected_adapters=["default"])
        tokenizer.save_pretrained(draft)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)
    except Exception as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError) or "No space left" in str(error):
            raise StoreError(f"The adapter cannot be written to {folder} ({error})", f"make room, and {AGAIN}") from None
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
            if state.is_world_process_zero and logs:
                tracker.metrics(state.global_step, logs)
                figures = [f"{name} {logs[name]:.4g}" for name in SHOWN if name in logs]
                if figures:
                    note(f"step {state.global_step} of {state.max_steps}: {', '.join(figures)}")

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                sample(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            last = state.global_step >= state.max_steps
            control.should_save = control.should_save or last or stop.is_set()
            control.should_evaluate = control.should_evaluate or (last and args.eval_strategy != "no")
            control.should_training_stop = control.should_training_stop or stop.is_set()

    return Log()


@contextmanager
def _stopping(stop: threading.Event, note: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C ends the stage after the step that it is in, with a checkpoint; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def asked(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        note("Stopping after this step; again to stop at once")

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _sentences(tracker: Tracker, settings: AnyStage) -> Iterator[None]:
    import torch

    started = time.monotonic()
    try:
        yield
    except KeyboardInterrupt:
        tracker.finish(STOPPED)
        raise
    except torch.OutOfMemoryError:
        tracker.finish(FAILED, error="out of GPU memory")
        half = max(1, settings.training.batch // 2)
        mend = f"give training.batch={half} training.accumulate={settings.training.accumulate * 2} out=FOLDER, which learns the same"
        raise ModelError("The GPU's memory is full", mend) from None
    except Exception as error:
        full = "No space left" in str(error)
        with _quietly():
            tracker.finish(FAILED, error="the disk is full" if full else repr(error))
        if full:
            raise StoreError(f"The disk is full, and the checkpoint in {settings.out} was not written", f"make room, and {AGAIN}") from None
        raise
    finally:
        with _quietly():
            if tracker.read().get("state") == RUNNING:
                tracker.update(seconds=round(tracker.read().get("seconds", 0) + time.monotonic() - started, 1))


@contextmanager
def _quietly() -> Iterator[None]:
    """On a full disk the note about it cannot be written either."""
    try:
        yield
    except StoreError:
        return
