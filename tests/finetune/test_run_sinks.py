"""What a run tells TensorBoard and W&B: read back from the event files and from W&B's own log."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml"):
    pytest.importorskip(package, reason="the stages train with it")

from finetune import sinks  # noqa: E402  after the skips
from finetune.stages import sft  # noqa: E402
from finetune.stages.endings import Stopped  # noqa: E402
from finetune.tracking import find_runs, read_json, read_json_lines  # noqa: E402
from otto.cli import wandb  # noqa: E402
from otto.errors import MissingExtra, NetworkError, OttoError, StoreError  # noqa: E402
from otto.prompt import whole_template  # noqa: E402
from tests.eval.test_tracking import nobody, records  # noqa: E402, F401  the fixture is used by its name
from tests.finetune.test_stage_sft import Made, Stopper, short, silent  # noqa: E402

pytestmark = pytest.mark.usefixtures("nobody")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Name → step and value, as TensorBoard reads them."""
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = event_accumulator.EventAccumulator(str(folder))
    found.Reload()
    return {name: [(event.step, event.value) for event in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_tensorboard_has_the_curves_of_the_run_once(made: Made) -> None:
    pytest.importorskip("tensorboard")
    with pytest.raises(Stopped):
        sft.run(short(made), Stopper(after="step 3 "), [sinks.open_tensorboard])
    sft.run(short(made), silent, [sinks.open_tensorboard])
    found = scalars(made["out"] / "tensorboard")
    (run,) = find_runs(made["out"])
    for name in ("loss", "eval_loss", "learning_rate"):
        assert found[name] == [(step, pytest.approx(value)) for step, value in run.curve(name)]
    assert [step for step, _ in found["loss"]] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_has_the_answers(made: Made) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sft.run(short(made, "training.steps=2", "evaluation.samples=1"), silent, [sinks.open_tensorboard])
    found = EventAccumulator(str(made["out"] / "tensorboard"))
    found.Reload()
    assert set(found.Tags()["tensors"]) == {f"predictions/{when}/text_summary" for when in ("before", "sample", "after")}
    text = found.Tensors("predictions/sample/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text.splitlines()[0] == "utterance | right | answer | verdict"


def test_an_offline_run_of_wandb_holds_figures_answers_and_the_adapter(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    notes: list[str] = []
    sft.run(short(made, "evaluation.samples=1"), notes.append, [sinks.open_wandb])
    folder = Path(notes[-1].removeprefix("W&B: wandb sync "))
    assert folder.parent == made["out"] / "wandb"
    (file,) = folder.glob("*.wandb")
    found = list(records(file))

    (started,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for item in started.config.update}
    facts = read_json(made["out"] / "run.json")
    assert (started.project, started.display_name, started.job_type, started.host) == ("otto", "sft", "sft", "-")
    assert (config["data"], config["git"]) == (facts["data"], facts["git"])
    assert "learning_rate: 0.005" in config["settings"]

    curves = _history(found)
    (run,) = find_runs(made["out"])
    assert [(step, row["loss"]) for step, row in curves.items() if "loss" in row] == run.curve("loss")
    assert [(step, row["eval_loss"]) for step, row in curves.items() if "eval_loss" in row] == run.curve("eval_loss")
    tables = [json.loads(path.read_text()) for path in sorted((folder / "files/media/table/predictions").iterdir())]
    said = list(read_json_lines(made["out"] / "predictions.jsonl"))
    assert sorted(map(tuple, (row for table in tables for row in table["data"]))) == sorted(
        (row["step"], row["utterance"], row["right"], row["answer"], row["verdict"]) for row in said
    )

    (adapter,) = [record.artifact for record in found if record.WhichOneof("record_type") == "artifact" and record.artifact.type == "model"]
    files = {entry.path: entry.size for entry in adapter.manifest.contents}
    prompt = whole_template("mistral-instruct").encode()
    assert files.pop("prompt.txt") == len(prompt)
    assert files == {path.name: path.stat().st_size for path in (made["out"] / "adapter").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer_config.json"} <= files.keys()
    metadata = json.loads(adapter.metadata)
    assert (metadata["otto_prompt"], metadata["steps"]) == ("mistral-instruct", 6)
    assert metadata["otto_prompt_format"]["sha256"] == hashlib.sha256(prompt).hexdigest()
    assert {"environment", "stats", "output_raw"} & {record.WhichOneof("record_type") for record in found} == set()  # nothing of the machine


def _history(found: list[Any]) -> dict[int, dict[str, Any]]:
    steps = {}
    for record in found:
        if record.WhichOneof("record_type") == "history":
            row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            steps[row["_step"]] = row
    return steps


def test_a_run_that_goes_on_is_the_same_run_of_wandb(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(Stopped):
        sft.run(short(made), Stopper(after="step 3 "), [sinks.open_wandb])
    first = read_json(made["out"] / "run.json")["wandb"]
    sft.run(short(made), silent, [sinks.open_wandb])
    assert read_json(made["out"] / "run.json")["wandb"] == first
    logs = [file for file in (made["out"] / "wandb").rglob("*.wandb") if not any(part.is_symlink() for part in file.parents)]
    assert [file.name for file in logs] == [f"run-{first}.wandb"] * 2
    assert sorted(step for file in logs for step in _history(list(records(file))) if step) == [1, 2, 3, 4, 5, 6]


def test_without_a_login_nothing_is_trained_and_it_is_said_how_to_get_one(made: Made) -> None:
    pytest.importorskip("wandb")
    with pytest.raises(OttoError, match="^W&B has no key for you on this machine; log in with: wandb login, or set WANDB_MODE=offline"):
        sft.run(short(made), silent, [sinks.open_wandb])
    assert read_json(made["out"] / "run.json")["state"] == "failed"
    assert sft.run(short(made), silent).steps == 6  # the same folder, without W&B


def test_without_a_server_nothing_is_trained(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(wandb, "PATIENCE", 2)
    with pytest.raises(NetworkError, match="W&B cannot be reached"):
        sft.run(short(made), silent, [sinks.open_wandb])
    assert not (made["out"] / "checkpoints").exists()


class Lost:
    """Takes the answers and no figures."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def rewind(self, step: int) -> None:
        self.told.append("rewind")

    def metrics(self, step: int, values: Any) -> None:
        raise StoreError("The line is dead", "mend it")

    def predictions(self, step: int, rows: Any) -> None:
        self.told.append("predictions")

    def finish(self, facts: Any) -> None:
        self.told.append("finish")


def test_what_cannot_be_told_any_more_does_not_end_the_run(made: Made) -> None:
    notes: list[str] = []
    lost = Lost()
    assert sft.run(short(made, "training.steps=2"), notes.append, [lambda tracker: lost]).steps == 2
    assert lost.told == ["predictions", "rewind"]  # and nothing after the first figure
    assert [note for note in notes if "dead" in note] == ["The line is dead; mend it."]
    assert find_runs(made["out"])[0].curve("loss")


def test_without_the_package_the_extra_is_named(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r'tensorboard is not installed; install it with: pip install "otto-assistant\[tensorboard\]"'):
        sft.run(short(made), silent, [sinks.open_tensorboard])
