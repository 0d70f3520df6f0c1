"""Weights & Biases beside the local files: a run's figures, predictions and report go up, a test set comes down.

The run's folder stays the source of truth: it is whole before anything is logged, and what W&B refuses can be logged again from it. With
WANDB_MODE=offline nothing leaves the machine and no login is needed; W&B's own files then lie in the run's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.report import write_report
from eval.runs import RESULTS, SUMMARY, Run, read_run
from otto.cli import wandb as weights_and_biases
from otto.cli.wandb import safe_name, sentences

_RATES = (
    "exact_match",
    "skill_accuracy",
    "argument_precision",
    "argument_recall",
    "argument_f1",
    "valid_call_rate",
    "false_call_rate",
    "missed_call_rate",
    "ece",
)
_PREDICTIONS = ("id", "text", "heard", "gold", "predicted", "correct", "skill", "confidence", "engine", "ms", "snr", "group", "source", "error")
_SKILLS = ("skill", "n", "exact_match", "low", "high", "skill_accuracy", "argument_f1")


def require_wandb() -> None:
    """Raises MissingExtra where wandb is not installed."""
    weights_and_biases.package()


def log_run(folder: Path) -> str:
    """Log the run in a folder: its figures, a table of predictions, and an artifact with the report and the run's files.

    Returns the run's address; offline, the command that uploads it.

    Raises:
        MissingExtra: wandb is not installed.
        StoreError, Problems: the folder holds no finished run.
        NetworkError: W&B is out of reach.
        OttoError: W&B refuses, for want of a key for one.
    """
    wandb = weights_and_biases.package()
    run = read_run(folder)
    report = write_report(run)
    with (
        sentences(f"the run is whole in {run.folder}; log it again with: otto eval report {run.folder} --wandb"),
        weights_and_biases.begin(run.name, "eval", run.folder, config(run.summary)) as logged,
    ):
        predictions = wandb.Table(columns=list(_PREDICTIONS), data=prediction_rows(run))
        skills = wandb.Table(columns=list(_SKILLS), data=skill_table(run.summary))
        page = wandb.Html(str(report), inject=False)
        logged.log({**figures(run.summary), "predictions": predictions, "by_skill": skills, "report": page})
        logged.log_artifact(_artifact(wandb, run, report, predictions))
        return weights_and_biases.place(logged)


def pull_cases(address: str) -> Path:
    """The folder with the files of an artifact, `[ENTITY/][PROJECT/]NAME:VERSION`. Raises as `otto.cli.wandb.pull`."""
    return weights_and_biases.pull(address, "give a file in its place")


def figures(summary: Mapping[str, Any]) -> dict[str, float]:
    """A summary's figures by name: `exact_match`, its bounds as `exact_match/low` and `/high`, its `/n`, and `latency_ms/p50`."""
    found: dict[str, float] = {"n": summary["n"], "asked": summary["asked"]}
    for name in _RATES:
        rate = summary[name]
        found[f"{name}/n"] = rate["n"]
        found.update({name + end: rate[key] for key, end in (("value", ""), ("low", "/low"), ("high", "/high")) if rate[key] is not None})
    found.update({f"latency_ms/{name}": value for name, value in summary["latency_ms"].items() if value is not None})
    for level, rates in summary["by_snr"].items():
        if rates["exact_match"]["value"] is not None:
            found[f"by_snr/{level}/exact_match"] = rates["exact_match"]["value"]
    return found


def config(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the run was made from."""
    return {name: summary[name] for name in ("router", "seed", "data", "versions", "command", "complete")}


def prediction_rows(run: Run) -> list[list[Any]]:
    """The cells of the prediction table, a row a case."""
    return [[_cell(row.get(name)) if name != "ms" else row["ms"]["wall"] for name in _PREDICTIONS] for row in run.rows]


def skill_table(summary: Mapping[str, Any]) -> list[list[Any]]:
    """The cells of the table by skill."""
    rows = []
    for name, scores in sorted(summary["by_skill"].items()):
        exact = scores["exact_match"]
        shares = (exact["value"], exact["low"], exact["high"], scores["skill_accuracy"]["value"], scores["argument_f1"]["value"])
        rows.append([name, scores["n"], *shares])
    return rows


def _cell(value: Any) -> Any:
    """Calls as they are read: several joined by `;`, alternatives by `|`."""
    if not isinstance(value, list):
        return value
    return " | ".join("; ".join(item) for item in value) if value and isinstance(value[0], list) else "; ".join(value)


def _artifact(wandb: Any, run: Run, report: Path, predictions: Any) -> Any:
    artifact = wandb.Artifact(safe_name(f"eval-{run.name}"), type="evaluation", metadata={"complete": run.summary["complete"], "n": run.summary["n"]})
    for file in (report, run.folder / RESULTS, run.folder / SUMMARY):
        artifact.add_file(str(file), name=file.name)
    artifact.add(predictions, "predictions")
    return artifact
