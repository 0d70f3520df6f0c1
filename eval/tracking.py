"""Weights & Biases beside the local files: a run's figures, predictions and report go up, a test set comes down.

The run's folder stays the source of truth: it is whole before anything is logged, and what W&B refuses can be logged again from it. With
WANDB_MODE=offline nothing leaves the machine and no login is needed; W&B's own files then lie in the run's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eval.report import write_report
from eval.runs import RESULTS, SUMMARY, Run, read_run
from otto.errors import MissingExtra, NetworkError, OttoError, StoreError, UsageError

PROJECT = "otto"  # where WANDB_PROJECT names no other
PATIENCE = 30  # seconds for W&B to answer
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
    _wandb()


def log_run(folder: Path) -> str:
    """Log the run in a folder: its figures, a table of predictions, and an artifact with the report and the run's files.

    Returns the run's address; offline, the command that uploads it.

    Raises:
        MissingExtra: wandb is not installed.
        StoreError, Problems: the folder holds no finished run.
        NetworkError: W&B is out of reach.
        OttoError: W&B refuses, for want of a key for one.
    """
    wandb = _wandb()
    run = read_run(folder)
    report = write_report(run)
    with _sentences(f"the run is whole in {run.folder}; log it again with: otto eval report {run.folder} --wandb"):
        settings = wandb.Settings(  # figures are to be logged, and nothing about the machine or its user
            silent=True, console="off", disable_git=True, save_code=False, init_timeout=PATIENCE,
            x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True, x_save_requirements=False, host="-",
        )  # fmt: skip
        with wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            job_type="eval",
            dir=str(run.folder),
            config=config(run.summary),
            settings=settings,
        ) as logged:
            predictions = wandb.Table(columns=list(_PREDICTIONS), data=prediction_rows(run))
            skills = wandb.Table(columns=list(_SKILLS), data=skill_table(run.summary))
            page = wandb.Html(str(report), inject=False)
            logged.log({**figures(run.summary), "predictions": predictions, "by_skill": skills, "report": page})
            logged.log_artifact(_artifact(wandb, run, report, predictions))
            offline = logged.settings.mode != "online"
            place = f"wandb sync {Path(logged.dir).parent}" if offline else logged.url
    return str(place)


def pull_cases(address: str) -> Path:
    """The folder with the files of an artifact, `[ENTITY/][PROJECT/]NAME:VERSION`; downloaded to the cache where it is not there yet.

    Raises:
        MissingExtra: wandb is not installed.
        UsageError: W&B is offline, which cannot read an artifact.
        NetworkError: W&B is out of reach.
        OttoError: there is no such artifact, or no key for it.
    """
    wandb = _wandb()
    if os.environ.get("WANDB_MODE", "online") != "online":
        raise UsageError(f"The artifact {address} cannot be read in W&B's offline mode", "unset WANDB_MODE, or give a file in its place")
    with _sentences(f"check the address, or download it where it can be reached with: wandb artifact get {address}"):
        artifact = wandb.Api(timeout=PATIENCE).artifact(address)
        folder = _cache() / _safe(f"{artifact.qualified_name}-{artifact.digest}")  # "latest" moves on, the digest stays
        try:
            artifact.download(root=str(folder))
        except OSError as error:
            raise StoreError(f"{folder} cannot be written ({error.strerror})", "make room on the disk") from None
    return folder


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
    artifact = wandb.Artifact(_safe(f"eval-{run.name}"), type="evaluation", metadata={"complete": run.summary["complete"], "n": run.summary["n"]})
    for file in (report, run.folder / RESULTS, run.folder / SUMMARY):
        artifact.add_file(str(file), name=file.name)
    artifact.add(predictions, "predictions")
    return artifact


def _safe(name: str) -> str:
    """A name that W&B and every file system takes."""
    return re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)[:128]


def _cache() -> Path:
    from otto.config import load_settings

    return load_settings().paths.cache / "artifacts"


def _wandb() -> Any:
    try:
        import wandb
        from wandb import errors  # noqa: F401  a folder "wandb" of offline runs also imports, as an empty package
    except ImportError:
        raise MissingExtra("wandb", "wandb") from None
    return wandb


@contextmanager
def _sentences(mend: str) -> Iterator[None]:
    """W&B's errors as Otto's."""
    from wandb import errors

    try:
        yield
    except errors.AuthenticationError as error:
        if "execute API request" in str(error):  # the key could not even be shown
            raise NetworkError(f"W&B cannot be reached ({_reason(error)})", mend) from None
        raise OttoError(f"W&B does not take the key ({_reason(error)})", "log in with: wandb login, or set WANDB_MODE=offline") from None
    except errors.CommError as error:
        raise NetworkError(f"W&B cannot be reached, or refuses ({_reason(error)})", mend) from None
    except errors.UsageError as error:
        if "API key" in str(error):
            raise OttoError("W&B has no key for you on this machine", "log in with: wandb login, or set WANDB_MODE=offline") from None
        raise OttoError(f"W&B refuses ({_reason(error)})", mend) from None
    except (errors.Error, ValueError) as error:
        raise OttoError(f"W&B failed ({_reason(error)})", mend) from None


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:200]
