"""The files for several GPUs, as accelerate reads them, and DeepSpeed where it is installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate", reason="it reads the files")

from accelerate.commands import launch
from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

from finetune.config import shipped
from finetune.stages import ppo, processes
from otto.errors import UsageError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set here goes with the test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))


def read(name: str, *options: str) -> Any:
    """The arguments of `accelerate launch` with a file; what it does not know it refuses."""
    words = ["--config_file", str(shipped(name)), *options, "--no_python", "otto", "finetune", "sft"]
    return launch._validate_launch_command(launch.launch_command_parser().parse_args(words))[0]


def test_fsdp_splits_everything_and_saves_it_whole() -> None:
    args = read("fsdp", "--num_processes", "4")
    assert (args.num_processes, args.mixed_precision, args.use_fsdp) == (4, "bf16", True)
    os.environ.update(prepare_multi_gpu_env(args))
    plugin = FullyShardedDataParallelPlugin()
    assert (plugin.fsdp_version, plugin.reshard_after_forward, plugin.cpu_ram_efficient_loading) == (2, True, False)
    assert plugin.activation_checkpointing is False  # training.checkpointing sees to it, and not twice
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    assert processes.is_split()


def deepspeed() -> dict[str, Any]:
    """DeepSpeed's settings, as accelerate makes them of the file."""
    args = read("deepspeed")
    assert (args.num_processes, args.use_deepspeed) == (2, True)
    args.deepspeed_fields_from_accelerate_config = ""  # as `accelerate launch` sets it behind what is called here
    _, environment = prepare_deepspeed_cmd_env(args)
    os.environ.update(environment)
    return dict(DeepSpeedPlugin().deepspeed_config)


def test_deepspeed_is_stage_3_and_takes_the_rest_from_the_stage() -> None:
    config = deepspeed()
    zero = config["zero_optimization"]
    assert (zero["stage"], zero["stage3_gather_16bit_weights_on_model_save"]) == (3, True)
    assert (zero["offload_optimizer"]["device"], zero["offload_param"]["device"]) == ("none", "none")
    assert config["train_batch_size"] == config["train_micro_batch_size_per_gpu"] == config["gradient_accumulation_steps"] == "auto"
    assert processes.is_split()


def test_deepspeed_itself_takes_the_settings() -> None:
    schema = pytest.importorskip("deepspeed.runtime.zero.config", reason="DeepSpeed is not in the test extra: it is built where it is installed")
    zero = deepspeed()["zero_optimization"]
    assert schema.DeepSpeedZeroConfig(**{name: value for name, value in zero.items() if value != "auto"}).stage == 3


@pytest.mark.parametrize("name", ["fsdp", "deepspeed"])
def test_a_setting_that_accelerate_does_not_know_would_be_refused(name: str, tmp_path: Path) -> None:
    """So that the two tests above say something."""
    from accelerate.commands.config.config_args import load_config_from_file

    path = tmp_path / f"{name}.yaml"
    path.write_text(shipped(name).read_text() + "number_of_processes: 2\n")
    with pytest.raises(ValueError, match="number_of_processes"):
        load_config_from_file(str(path))


def test_one_process_splits_nothing() -> None:
    assert not processes.is_split()


def test_ppo_is_refused_with_what_can_be_done() -> None:
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    with pytest.raises(UsageError, match="which they cannot be split for; start it with torchrun, or take grpo"):
        ppo.run(None, print)  # type: ignore[arg-type]  # refused before it is looked at
