"""Stages in a chain: each goes on from the adapter before, the test rows are answered between them, and what makes the score worse ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from finetune.config import AnyStage, Plan, stage_of_plan
from finetune.data.split import TEST
from finetune.rows import TrainingRow, read_training_rows
from finetune.skills import load_skills
from finetune.stages import answers, model, processes, training
from finetune.tracking import ADAPTER, Opener, file_hash, read_json
from otto.errors import OttoError, UsageError
from otto.registry import Registry
from otto.tomlfile import replace_file

Note = Callable[[str], None]
SCORES = "scores.json"  # in the plan's folder


class Worse(OttoError):
    """A stage made the score worse; the adapter before it is the best."""


def check(plan: Plan, beside: Path) -> list[AnyStage]:
    """The settings of every stage, before the first begins. Raises OttoError where one could not."""
    found: list[AnyStage] = []
    for number in range(len(plan.stages)):
        found.append(stage_of_plan(plan, number, beside, found[-1].out / ADAPTER if found else None))
        file_hash(found[-1].data)  # hours later would be late to find out
    return found


def run(plan: Plan, beside: Path, note: Note, sinks: Sequence[Opener] = ()) -> Path:
    """Run the stages; the last adapter. A second start goes on where the first was broken off.

    Raises:
        Worse: a stage lost more exact calls than the plan tolerates.
        OttoError: a stage cannot be run, or the plan has no test rows.
    """
    import json

    model.require_packages()
    stages = check(plan, beside)
    processes.join(model.on_gpu(stages[0]))
    note = note if processes.is_main() else lambda text: None
    registry = load_skills(plan.skills)
    rows = [row for row in read_training_rows(plan.rows) if row.split == TEST][: plan.evaluation.rows]
    if not rows:
        mend = "collect it with --held-out 0.06, or name another file with rows=FILE"
        raise UsageError(f"{plan.rows} has no rows of the split test, which score the stages", mend)
    answers.check_rows(rows, registry, plan.rows.name)
    scores: dict[str, Any] = processes.on_main(lambda: read_json(plan.out / SCORES))
    before: dict[str, Any] | None = None
    for settings in [None, *stages]:
        name = settings.out.name if settings else "base"
        if settings:
            note(f"stage {name}")
            import_module(f"finetune.stages.{settings.stage}").run(settings, note, sinks)
        key = _key(plan, settings)
        if scores.get(name, {}).get("of") != key:
            scores[name] = {"of": key, **_score(plan, settings or stages[0], settings, rows, registry)}
            if processes.is_main():
                replace_file(plan.out / SCORES, json.dumps(scores, indent=1) + "\n")
        now = scores[name]["exact"]
        note(f"{name}: {now['value']:.1%} exact of {now['n']} test rows, 95 % interval {now['low']:.1%} to {now['high']:.1%}")
        if before and now["value"] < before["value"] - plan.tolerance:
            last = stages[stages.index(settings) - 1].out / ADAPTER if settings and stages.index(settings) else "the base itself"
            what = f"The stage {name} made the score worse: {before['value']:.1%} → {now['value']:.1%} exact, so the chain stops"
            raise Worse(what, f"what was best is {last}; change the stage's settings and out=FOLDER, or allow it with tolerance=0.05")
        before = now
    return stages[-1].out / ADAPTER


def _key(plan: Plan, settings: AnyStage | None) -> list[str]:
    """What a score is of: weights and rows."""
    weights = settings.out / ADAPTER / "adapter_model.safetensors" if settings else plan.base / "config.json"
    return [file_hash(weights), file_hash(plan.rows), str(plan.evaluation.rows)]


def _score(plan: Plan, any_stage: AnyStage, settings: AnyStage | None, rows: list[TrainingRow], registry: Registry) -> dict[str, Any]:
    """Answer the test rows with the base, or with the adapter that a stage left."""
    adapter = settings.out / ADAPTER if settings else any_stage.adapter
    given = any_stage.model_copy(update={"adapter": adapter, "evaluation": plan.evaluation})
    with training.quiet():
        gpu = model.on_gpu(given)
        loaded = model.load_base(given, gpu, model.is_quantised(given, gpu))
        prompts = model.family(given)
        tokenizer = model.load_tokenizer(given, prompts)
        if adapter:
            loaded = model.with_adapter(loaded, given, tokenizer, [])
        said = answers.answers(loaded, tokenizer, [str(row.prompt) for row in rows], model.end_token(tokenizer, prompts), plan.evaluation)
    shares, _ = answers.score(rows, said, registry)
    return shares
