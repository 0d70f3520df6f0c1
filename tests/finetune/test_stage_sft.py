"""Supervised tuning on a CPU: the score moves, equal settings give equal curves, and a run that was broken off goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml"):
    pytest.importorskip(package, reason="the stages train with it")

from typer.testing import CliRunner  # noqa: E402  after the skips

from finetune.cli import app  # noqa: E402
from finetune.config import Sft, load_stage, shipped  # noqa: E402
from finetune.stages import sft  # noqa: E402
from finetune.stages.training import Stopped  # noqa: E402
from finetune.tracking import read_json, read_json_lines  # noqa: E402
from otto.errors import ModelError, OttoError, Problems, UsageError  # noqa: E402
from tests.finetune import bases  # noqa: E402

Made = dict[str, Path]


def settings(made: Made, *overrides: str) -> Sft:
    found = load_stage(
        shipped("sft"),
        [
            *(f"{name}={path}" for name, path in made.items()), "training.steps=120", "training.learning_rate=5e-3", "training.batch=8",
            "training.accumulate=1", "training.every=40", "training.max_length=128", "evaluation.max_new_tokens=32", "lora.dropout=0", *overrides,
        ],
    )  # fmt: skip
    assert isinstance(found, Sft)
    return found


def short(made: Made, *overrides: str) -> Sft:
    return settings(made, "training.steps=6", "training.every=2", "training.keep=9", "evaluation.rows=2", "evaluation.samples=0", *overrides)


def losses(out: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in read_json_lines(out / "metrics.jsonl") if "loss" in row]


def silent(text: str) -> None:
    """Notes go nowhere."""


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_the_calls_become_right(kind: str, made: Made, tiny_bases: Made) -> None:
    outcome = sft.run(settings(made | {"base": tiny_bases[kind]}), silent)
    assert outcome.before["exact"]["n"] == outcome.after["exact"]["n"] == 28
    assert outcome.before["exact"]["value"] < 0.2
    assert outcome.after["exact"]["value"] > 0.8
    run = read_json(made["out"] / "run.json")
    assert (run["state"], run["after"]) == ("done", outcome.after)
    said = list(read_json_lines(made["out"] / "predictions.jsonl"))
    assert [row["step"] for row in said if row["when"] == "sample"] == [step for step in (40, 80, 120) for _ in range(4)]


def test_the_router_takes_the_adapter(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sft.run(short(made), silent)
    tokenizer = read_json(made["out"] / "adapter" / "tokenizer_config.json")
    assert tokenizer["otto_prompt"] == "mistral-instruct"
    from otto.config import load_settings
    from otto.registry import Registry
    from otto.router.transformers import TransformersRouter

    monkeypatch.setenv("OTTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OTTO_ROUTER_MODEL", str(made["base"]))
    monkeypatch.setenv("OTTO_ROUTER_ADAPTER", str(made["out"] / "adapter"))
    router = TransformersRouter(Registry.from_folder(made["skills"]), load_settings())
    assert router.route("set a timer for two minutes").engine == "transformers"


def test_packed_or_not_the_curve_is_the_same(made: Made, tmp_path: Path) -> None:
    """A step over all rows, since a packed one of some rows would hold others of them."""
    whole = ("training.batch=200", "training.max_length=64")
    for name, packing in (("packed", "true"), ("padded", "false")):
        sft.run(short(made | {"out": tmp_path / name}, *whole, f"packing={packing}"), silent)
    packed, padded = losses(tmp_path / "packed"), losses(tmp_path / "padded")
    assert [step for step, _ in packed] == [1, 2, 3, 4, 5, 6]
    assert [loss for _, loss in packed] == pytest.approx([loss for _, loss in padded], rel=2e-3)


def test_checkpointing_or_not_the_curve_is_the_same(made: Made, tmp_path: Path) -> None:
    for name in ("true", "false"):
        sft.run(short(made | {"out": tmp_path / name}, f"training.checkpointing={name}"), silent)
    assert [loss for _, loss in losses(tmp_path / "true")] == pytest.approx([loss for _, loss in losses(tmp_path / "false")], rel=1e-4)


def test_a_run_that_is_stopped_goes_on_as_if_it_had_not_been(made: Made, tmp_path: Path) -> None:
    sft.run(short(made | {"out": tmp_path / "whole"}), silent)
    stopper = Stopper(after="step 3 ")
    with pytest.raises(Stopped, match=r"^Stopped at step \d of 6; give the same command again to go on from there\.$"):
        sft.run(short(made), stopper)
    assert read_json(made["out"] / "run.json")["state"] == "stopped"
    assert not (made["out"] / "adapter").exists()
    sft.run(short(made), silent)
    assert read_json(made["out"] / "run.json")["resumed"] == 1
    assert losses(made["out"]) == [(step, pytest.approx(loss, rel=1e-5)) for step, loss in losses(tmp_path / "whole")]


class Stopper:
    """Sends this process ctrl-C when a note begins so."""

    def __init__(self, after: str) -> None:
        self.after = after

    def __call__(self, text: str) -> None:
        if text.startswith(self.after):
            self.after = "never again"
            os.kill(os.getpid(), signal.SIGINT)


def test_a_checkpoint_that_is_cut_short_is_passed_over(made: Made) -> None:
    with pytest.raises(Stopped):
        sft.run(short(made), Stopper(after="step 4 "))
    newest = max((made["out"] / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    weights = newest / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    notes: list[str] = []
    sft.run(short(made), notes.append)
    assert notes[0] == f"{newest} was cut short and is left out"
    assert notes[1].startswith("Going on from step ")
    assert [step for step, _ in losses(made["out"])] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_is_done_is_not_done_again(made: Made) -> None:
    first = sft.run(short(made), silent)
    notes: list[str] = []
    assert sft.run(short(made), notes.append) == first
    assert notes == [f"{made['out']} is done already"]
    with pytest.raises(UsageError, match="lies a run of other settings; name another folder with out=FOLDER"):
        sft.run(short(made, "training.seed=8"), silent)
    bases.write_rows(made["data"], bases.rows(seed=4))
    with pytest.raises(UsageError, match="lies a run of other data"):
        sft.run(short(made), silent)


def broken(made: Made, fault: str) -> tuple[Made, list[str]]:
    """What is given to a stage, with one fault."""
    folder = made["out"].parent / fault.replace(" ", "-")
    if fault == "no base":
        return made | {"base": folder}, []
    if fault == "weights cut short":
        shutil.copytree(made["base"], folder)
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        return made | {"base": folder}, []
    if fault == "unknown skill":
        rows = bases.rows()
        bases.write_rows(made["data"], [replace(rows[0], completion=" alarm()"), *rows[1:]])
    if fault == "adapter of another base":
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "models/other-7b"}))
        return made, [f"adapter={folder}"]
    if fault == "a 7B on this machine":
        shutil.copytree(made["base"], folder)
        config = json.loads((folder / "config.json").read_text())
        config |= {"hidden_size": 65536, "intermediate_size": 262144, "num_hidden_layers": 80}
        (folder / "config.json").write_text(json.dumps(config))
        return made | {"base": folder}, []
    if fault == "rows too long":
        return made, ["training.max_length=16"]
    return made, ["device=cuda"] if fault == "no GPU" else []


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        ("no base", ModelError, "give base=FOLDER the folder of a Mistral or Llama model"),
        ("weights cut short", ModelError, "cannot be loaded"),
        ("unknown skill", Problems, r"rows:1: 'alarm\(\)' is not one valid call of the skills"),
        ("adapter of another base", ModelError, "was trained on other-7b, not on tiny-mistral; name that base with base=FOLDER"),
        ("a 7B on this machine", ModelError, "without a GPU, has .*; train it where there is a GPU, or take a smaller base"),
        ("rows too long", UsageError, "has no row to learn from"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(fault: str, error: type[OttoError], sentence: str, made: Made) -> None:
    given, overrides = broken(made, fault)
    with pytest.raises(error, match=sentence):
        sft.run(short(given, *overrides), silent)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(made: Made) -> None:
    with pytest.raises(UsageError, match="device=cuda and there is no GPU that torch can use"):
        sft.run(short(made, "device=cuda"), silent)


def test_a_dry_run_trains_nothing(made: Made) -> None:
    words: list[Any] = [f"{name}={path}" for name, path in made.items()]
    shown = CliRunner().invoke(app(), ["sft", *words, "training.batch=8", "training.accumulate=2", "packing=false", "--dry-run"])
    assert shown.exit_code == 0, shown.output
    # Of 110 rows a quarter is watched, an eighth tested: 68 rows to learn from, 16 a step, three epochs: 3 × 5 steps
    assert "steps     15, each of 8 × 2; warm-up 2;" in shown.stdout
    assert "rows      68 to learn from, 28 to watch" in shown.stdout
    assert "an estimate" in shown.stdout
    assert not made["out"].exists()


def test_a_dry_run_of_what_is_too_large_says_so(made: Made) -> None:
    """A base of 80 layers of 65,536: no machine has the memory, and there are no weights that could be read."""
    given, _ = broken(made, "a 7B on this machine")
    shown = CliRunner().invoke(app(), ["sft", *(f"{name}={path}" for name, path in given.items()), "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "          which is more than this machine, without a GPU, has: " in shown.stdout


@pytest.mark.parametrize(
    ("fault", "error"), [("unknown skill", Problems), ("adapter of another base", ModelError), ("no base", ModelError)]
)
def test_a_dry_run_finds_what_the_run_would(fault: str, error: type[OttoError], made: Made) -> None:
    given, overrides = broken(made, fault)
    shown = CliRunner().invoke(app(), ["sft", *(f"{name}={path}" for name, path in given.items()), *overrides, "--dry-run"])
    assert isinstance(shown.exception, error)
    assert shown.stdout == ""
