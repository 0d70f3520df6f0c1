"""Tuning by rewards on a CPU, from an adapter of the supervised stage that is not done learning: GRPO and PPO."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml"):
    pytest.importorskip(package, reason="the stages train with it")

from typer.testing import CliRunner  # noqa: E402  after the skips

from finetune.cli import app  # noqa: E402
from finetune.config import Rewarded, load_stage, shipped  # noqa: E402
from finetune.stages import rewarded  # noqa: E402
from finetune.stages.training import Outcome, Stopped  # noqa: E402
from finetune.tracking import Run, find_runs, read_json, read_json_lines  # noqa: E402
from otto.errors import ModelError, Problems, UsageError  # noqa: E402
from tests.finetune import bases  # noqa: E402
from tests.finetune.test_stage_sft import Stopper, silent  # noqa: E402

STAGES = ["grpo", "ppo"]
OWN = {"grpo": "group=8", "ppo": "updates=3"}
T95 = 4.303  # of Student's distribution with two degrees of freedom, two-sided 95 %
SHORT = ("training.steps=4", "training.every=2", "training.keep=9", "training.batch=4", "training.accumulate=2", "evaluation.rows=0")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_bases: dict[str, Path]) -> dict[str, Any]:
    torch.set_num_threads(1)
    return bases.half_tuned(tmp_path_factory.mktemp("tuned"), tiny_bases["mistral"], steps=4)


def settings(stage: str, tuned: dict[str, Any], out: Path, *overrides: str) -> Rewarded:
    given = {"base": tuned["base"], "skills": tuned["skills"], "data": tuned["rows"], "adapter": tuned["adapter"], "out": out}
    found = load_stage(
        shipped(stage),
        [
            *(f"{name}={value}" for name, value in given.items()), "training.steps=12", "training.every=12", "training.batch=48",
            "training.accumulate=1", "training.learning_rate=6e-4", "training.max_length=128", "max_new_tokens=28",
            "evaluation.max_new_tokens=28", "evaluation.samples=1", "training.checkpointing=false", OWN[stage], *overrides,
        ],
    )  # fmt: skip
    assert isinstance(found, Rewarded)
    return found


def run(stage: str, tuned: dict[str, Any], out: Path, *overrides: str, note: Any = silent) -> Outcome:
    outcome = import_module(f"finetune.stages.{stage}").run(settings(stage, tuned, out, *overrides), note)
    assert isinstance(outcome, Outcome)
    return outcome


def run_of(out: Path) -> Run:
    (found,) = find_runs(out)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_the_mean_reward_rises(stage: str, tuned: dict[str, Any], tmp_path: Path) -> None:
    gains = []
    for seed in (1, 2, 3):
        outcome = run(stage, tuned, tmp_path / str(seed), f"training.seed={seed}")
        assert outcome.before["exact"] == tuned["after"]["exact"]  # it begins where the supervised stage ended
        gains.append(outcome.after["reward"]["value"] - outcome.before["reward"]["value"])
        found = run_of(tmp_path / str(seed))
        assert found.curve("kl")[0][1] == pytest.approx(0, abs=1e-5)  # the policy begins as the reference
        assert found.curve("kl")[-1][1] != pytest.approx(0, abs=1e-5)
        assert [step for step, _ in found.curve("eval_reward")] == [12]
    assert fmean(gains) - T95 * stdev(gains) / 3**0.5 > 0, gains


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_is_stopped_goes_on_as_if_it_had_not_been(stage: str, tuned: dict[str, Any], tmp_path: Path) -> None:
    run(stage, tuned, tmp_path / "whole", *SHORT)
    with pytest.raises(Stopped, match="Stopped at step"):
        run(stage, tuned, tmp_path / "broken", *SHORT, note=Stopper(after="step 2 "))
    run(stage, tuned, tmp_path / "broken", *SHORT)
    broken, whole = run_of(tmp_path / "broken"), run_of(tmp_path / "whole")
    assert broken.facts["resumed"] == 1
    for name in ("reward", "kl"):
        assert broken.curve(name) == [(step, pytest.approx(value, rel=1e-4, abs=1e-6)) for step, value in whole.curve(name)]


@pytest.mark.parametrize("stage", STAGES)
def test_only_the_adapter_is_left(stage: str, tuned: dict[str, Any], tmp_path: Path) -> None:
    from safetensors import safe_open

    outcome = run(stage, tuned, tmp_path / stage, *SHORT, "training.steps=1", "training.checkpointing=true")
    assert outcome.steps == 1
    assert not (outcome.adapter / "ref").exists()
    with safe_open(outcome.adapter / "adapter_model.safetensors", "pt") as file:
        assert all("lora_" in name for name in file.keys())  # noqa: SIM118  it is no dict
    assert read_json(outcome.adapter / "tokenizer_config.json")["otto_prompt"] == "mistral-instruct"
    assert run_of(tmp_path).curve("grad_norm")[0][1] > 0


def test_without_an_adapter_the_base_is_the_reference(tuned: dict[str, Any], tmp_path: Path) -> None:
    found = settings("ppo", tuned, tmp_path / "ppo", *SHORT, "training.steps=2").model_copy(update={"adapter": None})
    import_module("finetune.stages.ppo").run(found, silent)
    assert next(value for _, value in run_of(tmp_path).curve("kl")) == pytest.approx(0, abs=1e-6)


def test_each_answer_is_kept_with_its_reward(tuned: dict[str, Any], tmp_path: Path) -> None:
    outcome = run("ppo", tuned, tmp_path / "ppo", *SHORT, "training.steps=1", "evaluation.rows=5")
    said = [row for row in read_json_lines(tmp_path / "ppo" / "predictions.jsonl") if row["when"] == "after"]
    assert len(said) == 5
    assert outcome.after["reward"]["value"] == pytest.approx(fmean(row["reward"] for row in said))
    assert all(row["reward"] == 1 for row in said if row["answer"] == row["right"])


def test_what_cannot_be_trained_is_refused_in_a_sentence(tuned: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no adapter in .*none; name its folder with adapter=FOLDER"):
        run("ppo", tuned | {"adapter": tmp_path / "none"}, tmp_path / "out")
    with pytest.raises(UsageError, match="has no row to learn from .all are longer than training.max_length"):
        run("grpo", tuned, tmp_path / "out2", "max_new_tokens=120")
    rows = [row.__class__(**row.to_json() | {"completion": " alarm()"}) for row in bases.rows()[:1]]
    with pytest.raises(Problems, match="rows:1"):
        run("grpo", tuned | {"rows": bases.write_rows(tmp_path / "alarm.jsonl", rows)}, tmp_path / "out3")


@pytest.mark.parametrize(("stage", "steps"), [("grpo", "34"), ("ppo", "9")])
def test_a_dry_run_counts_the_answers(stage: str, steps: str, tuned: dict[str, Any], tmp_path: Path) -> None:
    """Of 68 rows, four answers to each for GRPO and one for PPO, eight a step."""
    words = [f"base={tuned['base']}", f"data={tuned['rows']}", f"skills={tuned['skills']}", f"out={tmp_path / 'unmade'}"]
    shown = CliRunner().invoke(app(), [stage, *words, "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert f"steps     {steps}, each of 2 × 4;" in shown.stdout
    assert not (tmp_path / "unmade").exists()


def test_a_mean_of_rewards_has_its_interval() -> None:
    share = rewarded.mean_share([0.0, 1.0, 0.5, 0.5])  # standard deviation √(1/6), so ± 1.96 · √(1/6) / 2
    assert share == {"value": 0.5, "low": pytest.approx(0.0999, abs=1e-4), "high": pytest.approx(0.9001, abs=1e-4), "n": 4}
