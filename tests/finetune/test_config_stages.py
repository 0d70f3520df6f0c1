"""Settings of stages and plans: what is taken, and every mistake at once with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="the settings are YAML")

from finetune.config import Dpo, Rewarded, Sft, load_plan, load_stage, shipped, stage_of_plan, to_yaml
from finetune.estimate import GIB, Sizes, memory
from finetune.rewards import WEIGHTS
from otto.errors import ConfigError, ModelError, StoreError, UsageError


def written(folder: Path, text: str, name: str = "sft.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_shipped_has_the_defaults_of_the_issue() -> None:
    sft = load_stage(shipped("sft"), ["base=models/mistral"])
    assert isinstance(sft, Sft)
    assert (sft.lora.r, sft.lora.alpha) == (16, 32)
    assert sft.lora.targets == ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert (sft.packing, sft.quantise, sft.training.decay, sft.training.warmup, sft.training.checkpointing) == (True, True, "cosine", 0.1, True)
    dpo = load_stage(shipped("dpo"), ["base=models/mistral"])
    assert isinstance(dpo, Dpo)
    assert str(dpo.adapter) == "otto-tuned/sft/adapter"
    for name in ("grpo", "ppo"):
        stage = load_stage(shipped(name), ["base=models/mistral"])
        assert isinstance(stage, Rewarded)
        assert (stage.lora.r, stage.lora.alpha, stage.weights) == (16, 32, WEIGHTS)
        schedule = stage.training
        assert (schedule.learning_rate, schedule.batch, schedule.accumulate, schedule.epochs, schedule.warmup) == (5e-6, 2, 4, 1, 0.1)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("weights.politeness=1", "weights = .* does not fit; it should be weights of parses, skill, arguments, .*, not all of them 0"),
        ("weights={parses: 0, skill: 0, arguments: 0, no_invention: 0, refuses: 0, brevity: 0}", "it should be weights of parses, "),
        ("weights.skill=-1", "weights.skill = -1 does not fit; it should be greater than or equal to 0"),
        ("group=3", r"group = 3 does not fit; it should be a divisor of training.batch × training.accumulate, 2 × 4"),
        ("group=1", "group = 1 does not fit; it should be greater than or equal to 2"),
        ("training.batch=1 training.accumulate=1", r"group = 4 does not fit; it should be a divisor of .*, 1 × 1"),
        ("temperature=0", "temperature = 0 does not fit; it should be greater than 0"),
    ],
)
def test_settings_of_rewards_that_do_not_fit(override: str, problem: str) -> None:
    overrides = override.split(" ") if override.startswith("training") else [override]
    with pytest.raises(ConfigError, match=problem):
        load_stage(shipped("grpo"), ["base=models/mistral", *overrides])


def test_weights_that_are_not_named_stay_as_they_are(tmp_path: Path) -> None:
    stage = load_stage(written(tmp_path, "stage: ppo\nbase: a\ndata: b\nout: c\nweights: {brevity: 0}\n"))
    assert isinstance(stage, Rewarded)
    assert stage.weights == WEIGHTS | {"brevity": 0}


def test_overrides_beat_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "stage: sft\nbase: a\ndata: b\nout: c\nlora:\n  r: 4\n")
    settings = load_stage(path, ["lora.r=8", "training.learning_rate=1e-4", "lora.targets=[q_proj, v_proj]", "adapter=x"])
    assert (settings.lora.r, settings.training.learning_rate, settings.lora.targets, settings.adapter) == (8, 1e-4, ("q_proj", "v_proj"), Path("x"))


def test_every_mistake_is_named_at_once_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "stage: sft\nbase: a\ndata: b\nlora:\n  r: 0\n  alfa: 3\ntraining: 7\n")
    with pytest.raises(ConfigError) as error:
        load_stage(path, ["packing=perhaps", "nonsense", "evaluation.rows=-1"])
    assert [str(problem) for problem in error.value.problems] == [
        "nonsense: this is not an override; write it as name=value, such as lora.r=8",
        "sft.yaml: out is not set; write it into the file, or give out=… behind it",
        "sft.yaml:5: lora.r = 0 does not fit; it should be greater than or equal to 1",
        "sft.yaml:6: there is no setting lora.alfa; did you mean lora.alpha?",
        "sft.yaml:7: training holds settings; write them indented below it",
        "evaluation.rows=-1: evaluation.rows = -1 does not fit; it should be greater than or equal to 0",
        "packing=perhaps: packing = 'perhaps' does not fit; it should be a valid boolean, unable to interpret input",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stage: sfft\n", "sft.yaml:1: there is no stage 'sfft'; write `stage:` with one of: sft, dpo, grpo, ppo"),
        ("base: a\n", "sft.yaml: there is no stage None; write `stage:` with one of: sft, dpo, grpo, ppo"),
        ("stage: [sft\n", "sft.yaml:2: this is not YAML (expected ',' or ']', but got '<stream end>')"),
        ("- sft\n", "sft.yaml:1: these are not settings; write one `name: value` a line"),
        ("stage: sft\nbase: a\nbase: b\n", "sft.yaml:3: base stands in line 2 already; delete one"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_stage(written(tmp_path, text))
    assert [str(item) for item in error.value.problems] == [problem]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="none.yaml cannot be read"):
        load_stage(tmp_path / "none.yaml")


def test_what_is_printed_reads_back_as_the_same(tmp_path: Path) -> None:
    settings = load_stage(shipped("sft"), ["base=a", "training.steps=12"])
    assert load_stage(written(tmp_path, to_yaml(settings))) == settings


PLAN = "base: models/b\nout: tuned\nrows: training.jsonl\nstages:\n  - sft\n  - config: dpo\n    set: {data: pairs.jsonl, training.epochs: 2}\n"


def test_a_plan_hands_each_stage_the_adapter_before(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, PLAN, "plan.yaml"), ["quantise=false"])
    first = stage_of_plan(plan, 0, tmp_path, None)
    second = stage_of_plan(plan, 1, tmp_path, Path("tuned/1-sft/adapter"))
    assert (first.stage, first.out, first.data, first.adapter, first.quantise) == ("sft", Path("tuned/1-sft"), Path("training.jsonl"), None, False)
    assert (second.stage, second.out, second.data, second.training.epochs) == ("dpo", Path("tuned/2-dpo"), Path("pairs.jsonl"), 2)
    assert (second.adapter, second.rows, second.base) == (Path("tuned/1-sft/adapter"), Path("training.jsonl"), Path("models/b"))  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["grpo", "ppo"])
def test_a_plan_gives_a_stage_with_rewards_its_rows(name: str, tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, f"{PLAN}  - config: {name}\n    set: {{weights.brevity: 0}}\n", "plan.yaml"))
    stage = stage_of_plan(plan, 2, tmp_path, Path("tuned/2-dpo/adapter"))
    assert isinstance(stage, Rewarded)
    assert (stage.stage, stage.out, stage.data, stage.adapter) == (name, Path(f"tuned/3-{name}"), Path("training.jsonl"), Path("tuned/2-dpo/adapter"))
    assert stage.weights == WEIGHTS | {"brevity": 0}


def test_a_plan_with_a_stage_that_is_not_there(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, PLAN.replace("- sft", "- rlhf"), "plan.yaml"))
    with pytest.raises(UsageError, match="There are no settings rlhf of a stage beside the plan"):
        stage_of_plan(plan, 0, tmp_path, None)


MISTRAL = {  # config.json of Mistral-7B-v0.1, as published
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip


def test_the_sizes_of_a_mistral_7b_are_those_published(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MISTRAL))
    sizes = Sizes.read(tmp_path)
    assert sizes.linear + sizes.others == 7_241_732_096  # the model card's parameter count
    assert sizes.adapter(16, ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")) == 41_943_040  # as peft prints
    settings = load_stage(shipped("sft"), [f"base={tmp_path}"])
    found = memory(settings, sizes, quantised=True, gpu=True)
    assert 3.8 < found.weights / GIB < 4.2
    assert found.total < 24 * GIB
    assert memory(settings, sizes, quantised=False, gpu=True).weights == 2 * 7_241_732_096


QWEN_7B = Sizes(4096, 11008, 32, 32, 32, 128, 151936, tied=False)  # config.json, as published; its intermediate_size counts two matrices


@pytest.mark.parametrize(("length", "measured"), [(256, 11.5), (512, 11.5), (1024, 12.3), (2048, 13.9), (4096, 16.9), (8192, 23.5)])
def test_the_estimate_is_near_what_was_measured(length: int, measured: float) -> None:
    """Gigabytes of Q-LoRA with rank 64 and a batch of 1 on an A100: github.com/QwenLM/Qwen, README, "Profiling of Memory and Speed"."""
    settings = load_stage(shipped("sft"), ["base=x", "training.batch=1", f"training.max_length={length}", "lora.r=64"])
    assert memory(settings, QWEN_7B, quantised=True, gpu=True).total / 1e9 == pytest.approx(measured, rel=0.16)


def test_a_base_without_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give base=FOLDER the folder of a Mistral or Llama model"):
        Sizes.read(tmp_path)
