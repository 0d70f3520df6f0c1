"""Several processes on CPUs, over gloo, started by torchrun and by accelerate: the curve of one process with the batch doubled, written once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml", "accelerate"):
    pytest.importorskip(package, reason="the stages train with it")

from finetune.config import to_yaml  # noqa: E402  after the skips
from finetune.stages import processes, sft  # noqa: E402
from finetune.tracking import find_runs, read_json, read_json_lines  # noqa: E402
from otto.errors import UsageError  # noqa: E402
from tests.finetune.test_stage_sft import Made, losses, short, silent  # noqa: E402

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TORCHRUN = (str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2", "-m")
ACCELERATE = (
    str(BIN / "accelerate"), "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--main_process_port", "0",
    "--mixed_precision", "no", "--dynamo_backend", "no", "-m",
)  # fmt: skip


def started(launcher: Sequence[str], made: Made, *overrides: str) -> Any:
    """Two processes with half the batch each."""
    config = made["out"].with_suffix(".yaml")
    config.write_text(to_yaml(short(made, "packing=false", "training.batch=4", *overrides)))
    words = [*launcher, "finetune", "sft", str(config)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def one_process(made: Made, *overrides: str) -> list[Any]:
    """The curve of one process with the whole batch."""
    out = made["out"].with_name("one")
    sft.run(short(made | {"out": out}, "packing=false", "training.batch=8", *overrides), silent)
    return [(step, pytest.approx(loss, rel=1e-4)) for step, loss in losses(out)]


def test_two_processes_of_torchrun_learn_as_one_does_and_one_of_them_writes(made: Made) -> None:
    child = started(TORCHRUN, made, "evaluation.rows=5")
    said, told = child.communicate()
    assert child.returncode == 0, told
    run = read_json(made["out"] / "run.json")
    assert (run["state"], run["processes"]) == ("done", 2)
    assert losses(made["out"]) == one_process(made, "evaluation.rows=5")  # each step once
    assert said.count("The adapter of 6 steps is in ") == 1
    assert [line for line in told.splitlines() if line.startswith("step 4 of 6: loss ")] == [
        f"step 4 of 6: loss {dict(losses(made['out']))[4]:.4g}"
    ]
    answered = [list(read_json_lines(folder / "predictions.jsonl")) for folder in (made["out"], made["out"].with_name("one"))]
    assert len(answered[0]) == 10  # five before and five after, though five are not a multiple of two
    assert [row["utterance"] for row in answered[0]] == [row["utterance"] for row in answered[1]]
    assert answered[0][:5] == answered[1][:5]  # what was said before is the same text


def test_what_two_processes_of_accelerate_began_one_ends(made: Made) -> None:
    child = started(ACCELERATE, made, "training.steps=12", "evaluation.rows=0")
    told = []
    for line in child.stderr:
        told.append(line)
        if line.startswith("step 3 "):
            child.send_signal(signal.SIGINT)
    child.wait()
    stopped = [line for line in told if line.startswith("Stopped at step ")]
    assert len(stopped) == 1, "".join(told)
    run = read_json(made["out"] / "run.json")
    assert (run["state"], run["processes"]) == ("stopped", 2)
    whole = ("packing=false", "training.batch=8", "training.steps=12", "evaluation.rows=0")
    notes: list[str] = []
    sft.run(short(made, *whole), notes.append)
    assert notes[0] == f"Going on from step {run['steps']}"
    assert losses(made["out"]) == one_process(made, "training.steps=12", "evaluation.rows=0")
    assert find_runs(made["out"])[0].facts["processes"] == 1


def test_a_fault_is_told_once(made: Made) -> None:
    child = started(TORCHRUN, made, "training.max_length=16")
    _, told = child.communicate()
    assert child.returncode != 0
    assert told.count("has no row to learn from (all are longer than training.max_length); raise it.") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and the others are waited for")
def test_processes_that_do_not_come_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="^The launcher promised 2 processes and 1 came; start them with: torchrun --nproc-per-node=N"):
        processes.join(gpu=True)


def test_alone_all_work_is_done_here() -> None:
    assert processes.count() == processes.promised() == 1
    assert processes.is_main()
    assert processes.spread(lambda items: [item * 2 for item in items], [1, 2, 3]) == [2, 4, 6]
    assert processes.on_main(lambda: 7) == 7
    assert processes.in_any(True, "cpu")
