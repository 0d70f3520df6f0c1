"""What every stage does before its own trainer and behind it: the data, the machine, the run's log, the tokenizer, the weights, the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.config import AnyStage, Dpo, lesson, to_yaml
from finetune.data.split import VALIDATION
from finetune.rows import TrainingRow
from finetune.settings_file import YamlFile
from finetune.skills import load_skills
from finetune.stages import answers, model, processes
from finetune.stages.endings import accounted
from finetune.stages.measure import Measure
from finetune.stages.tokens import Encode, Tokenised, encoder
from finetune.stages.training import CHECKPOINTS, Outcome, quiet, save_adapter, train
from finetune.tracking import ADAPTER, CONFIG, DONE, Opener, Tracker, file_hash
from otto.errors import OttoError, UsageError
from otto.registry import Registry

Note = Callable[[str], None]


@dataclass(frozen=True)
class Given:
    """What a trainer is made from."""

    settings: Any  # of the stage
    trained: Any  # the base with the adapter
    tokenizer: Any
    end: int  # the token that an answer ends with
    registry: Registry
    learn: Tokenised
    watch: Tokenised
    measure: Measure
    gpu: bool

    @property
    def ends(self) -> frozenset[int]:
        """Every token that ends an answer."""
        return answers.ends_of(self.tokenizer, self.end)

    def text(self, ids: Sequence[int]) -> str:
        """An answer's tokens as the router reads them."""
        return answers.text_of_tokens(self.tokenizer, ids, self.ends)


@dataclass(frozen=True)
class Kind:
    """What one kind of stage does in its own way."""

    cut: Callable[[Encode, Registry], tuple[Tokenised, Tokenised]]  # what is learned from, and what is watched
    build: Callable[[Given], Any]  # its trainer
    measure: type[Measure] = Measure


def run(settings: AnyStage, rows: Sequence[TrainingRow], kind: Kind, note: Note, sinks: Sequence[Opener] = ()) -> Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter.

    Args:
        settings: the stage's.
        rows: training rows, whose validation part is answered.
        kind: what the stage does in its own way.
        note: where words go; the first of several processes has them.
        sinks: where figures and answers go beside the run's own log.

    Raises:
        OttoError: the data, the base, the adapter, the machine or the disk is not as it should be; what was learned until then is kept.
    """
    model.require_packages()
    with quiet():
        registry = load_skills(settings.skills)
        answers.check_rows(rows, registry, _rows_file(settings).name)
        gpu, quantised = model.prepare(settings)
        processes.join(gpu)
        note = note if processes.is_main() else _silent
        tracker = Tracker(settings.out, writes=processes.is_main(), note=note)
        facts = processes.on_main(lambda: begin(tracker, settings))
        if facts["state"] == DONE:
            note(f"{settings.out} is done already")
            return Outcome(settings.out / ADAPTER, facts.get("before", {}), facts.get("after", {}), facts.get("steps", 0))
        with accounted(tracker, settings):
            processes.on_main(lambda: tracker.open(sinks))
            given = _prepare(settings, rows, registry, kind, tracker, gpu, quantised, note)
            return _carry_out(kind, given, facts.get("before"), note)


def begin(tracker: Tracker, settings: AnyStage) -> dict[str, Any]:
    """Begin a run, or go on with one; what is known of it.

    Raises:
        UsageError: in its folder lies a run of other settings or other data, which has learned something.
    """
    data = _files(settings)
    run = tracker.read()
    other = _differs(run, settings, data) if run else ""
    if other and (run.get("state") == DONE or any((settings.out / CHECKPOINTS).glob("*"))):
        raise UsageError(f"In {settings.out} lies a run of other {other}", "name another folder with out=FOLDER, or delete that one")
    if run.get("state") == DONE:
        return run
    kept: dict[str, Any] = {name: run[name] for name in ("before", "seconds", "wandb") if name in run and not other}
    tracker.start(settings.stage, to_yaml(settings), data, {"processes": processes.count(), **kept})
    return tracker.read()


def _differs(run: dict[str, Any], settings: AnyStage, data: Sequence[Path]) -> str:
    """What a run in this folder was given that this one is not."""
    try:
        same = lesson(YamlFile(settings.out / CONFIG).values, run.get("processes", 1)) == lesson(settings.model_dump(mode="json"), processes.count())
    except (OttoError, KeyError, TypeError):  # the file is not there, or not as it was written
        same = False
    if not same:
        return "settings"
    return "" if list(run.get("data", {}).values()) == [file_hash(path) for path in data] else "data"


def _files(settings: AnyStage) -> list[Path]:
    """What decides the result beside the settings."""
    rows = [settings.rows] if isinstance(settings, Dpo) and settings.rows else []
    weights = [settings.adapter / "adapter_model.safetensors"] if settings.adapter else []
    return [settings.data, *rows, *weights]


def _rows_file(settings: AnyStage) -> Path:
    return settings.rows if isinstance(settings, Dpo) and settings.rows else settings.data


def _prepare(
    settings: AnyStage, rows: Sequence[TrainingRow], registry: Registry, kind: Kind, tracker: Tracker, gpu: bool, quantised: bool, note: Note
) -> Given:
    prompts = model.family(settings)
    tokenizer = model.load_tokenizer(settings, prompts)
    new_tokens = model.add_thinking_tokens(tokenizer, rows)
    end = model.end_token(tokenizer, prompts)
    learn, watch = kind.cut(encoder(tokenizer, end), registry)
    _tell_too_long(learn, settings, note)
    trained = model.with_adapter(model.load_base(settings, gpu, quantised), settings, tokenizer, new_tokens)
    held = [row for row in rows if row.split == VALIDATION][: settings.evaluation.rows]
    measure = kind.measure(held, registry, tokenizer, end, settings, tracker)
    return Given(settings, trained, tokenizer, end, registry, learn, watch, measure, gpu)


def _tell_too_long(found: Tokenised, settings: AnyStage, note: Note) -> None:
    """Say which rows are left out. Raises UsageError where none is left."""
    limit = settings.training.max_length
    if not found.rows:
        why, mend = "none is of the split train", "collect the data anew"
        if found.too_long:
            why, mend = "all are longer than training.max_length", "raise it"
        raise UsageError(f"{settings.data} has no row to learn from ({why})", mend)
    if found.too_long:
        note(f"{len(found.too_long):,} rows are longer than {limit:,} tokens and left out, {found.too_long[0]} for one: raise training.max_length")


def _carry_out(kind: Kind, given: Given, before: dict[str, Any] | None, note: Note) -> Outcome:
    """Score, train, score again, and leave the adapter."""
    settings, measure, trained = given.settings, given.measure, given.trained
    if before is None:  # weights that are to be split are not on the GPUs yet
        before = {} if processes.is_split() else measure.score(trained, 0, "before")
    measure.tracker.update(before=before)
    trainer = kind.build(given)
    steps = train(trainer, settings, measure.tracker, note, lambda step: measure.sample(trained, step))
    after = measure.score(trained, steps, "after")
    save_adapter(trainer, given.tokenizer, settings.out / ADAPTER)
    measure.tracker.finish(DONE, after=after, steps=steps)
    return Outcome(settings.out / ADAPTER, before, after, steps)


def _silent(text: str) -> None:
    """The first process has said it."""
