"""Preference tuning on a CPU, from an adapter of the supervised stage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml"):
    pytest.importorskip(package, reason="the stages train with it")


from finetune.config import Dpo, load_stage, shipped  # noqa: E402  after the skips
from finetune.rows import PreferenceRow  # noqa: E402
from finetune.stages import dpo  # noqa: E402
from finetune.stages.training import Stopped  # noqa: E402
from finetune.tracking import find_runs, read_json  # noqa: E402
from otto.errors import ModelError, Problems  # noqa: E402
from tests.finetune import bases  # noqa: E402
from tests.finetune.test_stage_sft import Stopper, silent  # noqa: E402

WRONG = {"timer": 'timer(duration="1 hour")', "weather": 'weather(location="Bern")', "volume": "other()", "note": "other()", "other": 'note(text="hat")'}
COMMON = ("training.accumulate=1", "training.max_length=128", "evaluation.max_new_tokens=32", "lora.dropout=0")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_bases: dict[str, Path]) -> dict[str, Any]:
    """Rows, pairs, and an adapter that is not done learning."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tuned")
    pairs = [PreferenceRow(row.prompt, row.completion, f" {WRONG[row.skill]}", "wrong", row.split, row.source) for row in bases.rows()]
    return bases.half_tuned(folder, tiny_bases["mistral"]) | {"data": bases.write_rows(folder / "pairs.jsonl", pairs)}


def settings(tuned: dict[str, Any], out: Path, *overrides: str) -> Dpo:
    names = ("base", "skills", "rows", "data", "adapter")
    found = load_stage(
        shipped("dpo"),
        [
            *(f"{name}={tuned[name]}" for name in names), f"out={out}", "training.steps=24", "training.every=8", "training.batch=8",
            "training.learning_rate=5e-4", *COMMON, *overrides,
        ],
    )  # fmt: skip
    assert isinstance(found, Dpo)
    return found


STRONG = ("training.learning_rate=2e-3", "sft_weight=1")  # enough to do harm, with the wrong pairs


def test_pairs_that_are_turned_round_make_the_calls_wrong(tuned: dict[str, Any], tmp_path: Path) -> None:
    """So that the next test says something."""
    pairs = [PreferenceRow(row.prompt, f" {WRONG[row.skill]}", row.completion, "turned round", row.split, row.source) for row in bases.rows()]
    outcome = dpo.run(settings(tuned | {"data": bases.write_rows(tmp_path / "bad.jsonl", pairs)}, tmp_path / "dpo", *STRONG), silent)
    assert outcome.after["exact"]["value"] < outcome.before["exact"]["value"] - 0.2


def test_the_margin_grows_and_the_calls_stay_right(tuned: dict[str, Any], tmp_path: Path) -> None:
    outcome = dpo.run(settings(tuned, tmp_path / "dpo", *STRONG), silent)
    (run,) = find_runs(tmp_path)
    margins = run.curve("eval_rewards/margins")
    assert [step for step, _ in margins] == [8, 16, 24]
    assert margins[-1][1] > margins[0][1] > 0  # of the reference with itself it is 0
    assert run.curve("eval_rewards/accuracies")[-1][1] > 0.9
    assert outcome.before == tuned["after"]  # it begins where the supervised stage ended
    assert outcome.before["exact"]["value"] > 0.4
    assert outcome.after["exact"]["value"] >= outcome.before["exact"]["value"]


def test_only_the_adapter_is_left(tuned: dict[str, Any], tmp_path: Path) -> None:
    from safetensors import safe_open

    outcome = dpo.run(settings(tuned, tmp_path / "dpo", "training.steps=1", "evaluation.rows=0"), silent)
    assert not (outcome.adapter / "ref").exists()
    with safe_open(outcome.adapter / "adapter_model.safetensors", "pt") as file:
        assert file.keys()
        assert all("lora_" in name for name in file.keys())  # noqa: SIM118  it is no dict
    assert read_json(outcome.adapter / "tokenizer_config.json")["otto_prompt"] == "mistral-instruct"


def test_a_run_that_is_stopped_goes_on_as_if_it_had_not_been(tuned: dict[str, Any], tmp_path: Path) -> None:
    short = ("training.steps=6", "training.every=2", "training.keep=9", "evaluation.rows=0")
    dpo.run(settings(tuned, tmp_path / "whole", *short), silent)
    with pytest.raises(Stopped, match="Stopped at step"):
        dpo.run(settings(tuned, tmp_path / "broken", *short), Stopper(after="step 3 "))
    dpo.run(settings(tuned, tmp_path / "broken", *short), silent)
    broken, whole = sorted(find_runs(tmp_path), key=lambda run: run.folder.name)
    assert broken.facts["resumed"] == 1
    assert broken.curve("loss") == [(step, pytest.approx(loss, rel=1e-5)) for step, loss in whole.curve("loss")]
    assert broken.curve("rewards/margins") == [(step, pytest.approx(value, rel=1e-4, abs=1e-6)) for step, value in whole.curve("rewards/margins")]


def test_an_adapter_that_is_not_there(tuned: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^There is no adapter in .*none; name its folder with adapter=FOLDER"):
        dpo.run(settings(tuned | {"adapter": tmp_path / "none"}, tmp_path / "dpo"), silent)


def test_an_adapter_that_was_cut_short(tuned: dict[str, Any], tmp_path: Path) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(tuned["adapter"], broken)
    weights = broken / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"The adapter in .* does not fit tiny-mistral"):
        dpo.run(settings(tuned | {"adapter": broken}, tmp_path / "dpo"), silent)


def test_rows_that_are_no_pairs_are_named(tuned: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Problems, match=r"training.jsonl:1: this has no 'why'"):
        dpo.run(settings(tuned | {"data": tuned["rows"]}, tmp_path / "dpo"), silent)
