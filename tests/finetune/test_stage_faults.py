"""What goes wrong while a stage trains: a full disk, full memory, a stop at once, a kill. Each is a sentence, and the run goes on as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

resource = pytest.importorskip("resource", reason="limits of files are POSIX's")

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml"):
    pytest.importorskip(package, reason="the stages train with it")

from finetune.stages import sft  # noqa: E402  after the skips
from finetune.stages.endings import Stopped  # noqa: E402
from finetune.tracking import find_runs, read_json  # noqa: E402
from otto.errors import ModelError, StoreError, UsageError  # noqa: E402
from tests.finetune.test_stage_sft import Made, Stopper, losses, settings, short, silent  # noqa: E402

ROOT = Path(__file__).parents[2]


WILD = ("training.learning_rate=2", "training.max_grad_norm=100", "training.warmup=0", "training.decay=constant")  # no learning beyond some steps
CURVES: dict[tuple[str, ...], list[tuple[int, float]]] = {}  # of runs that nothing happened to, by their settings


def undisturbed(made: Made, *overrides: str, rel: float = 1e-5) -> list[Any]:
    if overrides not in CURVES:
        out = made["out"].with_name("undisturbed")
        sft.run(short(made | {"out": out}, *overrides), silent)
        CURVES[overrides] = losses(out)
    return [(step, pytest.approx(loss, rel=rel)) for step, loss in CURVES[overrides]]


class Once:
    """Does something when a note begins so, the first time."""

    def __init__(self, after: str, what: Any) -> None:
        self.after, self.what = after, what

    def __call__(self, text: str) -> None:
        if text.startswith(self.after):
            self.after = "never again"
            self.what()


@pytest.fixture
def small_files() -> Iterator[Any]:
    """A function that lets no file grow beyond so many bytes from then on: to those who write, a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [4_000, 200_000], ids=["nothing fits", "the adapter does not fit"])
def test_a_full_disk(room: int, made: Made, small_files: Any) -> None:
    with pytest.raises(StoreError, match=r"cannot be written .*; make room, and give the same command again"):
        sft.run(short(made), Once("step 3 ", lambda: small_files(room)))
    small_files(resource.RLIM_INFINITY)
    notes: list[str] = []
    sft.run(short(made), notes.append)
    assert "Going on from step 2" in notes
    assert losses(made["out"]) == undisturbed(made)


class FullAfterwards:
    """Lets no file grow from when the stage has been scored."""

    def __init__(self, small_files: Any) -> None:
        self.small_files = small_files

    def rewind(self, step: int) -> None:
        """Of no interest, as the next two."""

    def metrics(self, step: int, values: Any) -> None: ...

    def finish(self, facts: Any) -> None: ...

    def predictions(self, step: int, rows: Any) -> None:
        if rows[0]["when"] == "after":
            self.small_files(50_000)


def test_a_disk_that_is_full_before_the_adapter_is_left(made: Made, small_files: Any) -> None:
    with pytest.raises(StoreError, match=r"The adapter cannot be written to .*/adapter .*; make room, and give the same command again"):
        sft.run(short(made), silent, [lambda tracker: FullAfterwards(small_files)])
    small_files(resource.RLIM_INFINITY)
    assert not (made["out"] / "adapter").exists()
    assert sft.run(short(made), silent).steps == 6
    assert losses(made["out"]) == undisturbed(made)


def test_memory_that_is_full(made: Made) -> None:
    def too_much() -> None:
        torch.empty(1 << 58, dtype=torch.uint8)

    mend = "give training.batch=4 training.accumulate=2 too, which learns the same and goes on from there"
    with pytest.raises(ModelError, match=rf"^The memory is full; {mend}\.$"):
        sft.run(short(made, "packing=false"), Once("step 3 ", too_much))
    assert read_json(made["out"] / "run.json")["state"] == "failed"
    notes: list[str] = []
    sft.run(short(made, "packing=false", "training.batch=4", "training.accumulate=2"), notes.append)
    assert "Going on from step 2" in notes
    assert losses(made["out"]) == undisturbed(made, "packing=false", rel=1e-4)


def test_a_second_stop_ends_it_at_once_and_nothing_is_lost(made: Made) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        sft.run(short(made), Once("step 5 ", twice))
    assert read_json(made["out"] / "run.json")["state"] == "stopped"
    notes: list[str] = []
    sft.run(short(made), notes.append)
    assert "Going on from step 4" in notes
    assert losses(made["out"]) == undisturbed(made)


def test_a_kill_in_the_middle_of_a_step(made: Made) -> None:
    """A process of its own, killed when it has told of its third step."""
    given = short(made)
    words = [sys.executable, "-m", "finetune", "sft", str(made["out"].with_suffix(".yaml"))]
    from finetune.config import to_yaml

    made["out"].with_suffix(".yaml").write_text(to_yaml(given))
    child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert child.stderr
    for line in child.stderr:
        if line.startswith("step 3 "):
            break
    child.kill()
    child.wait()
    assert read_json(made["out"] / "run.json")["state"] == "running"
    notes: list[str] = []
    sft.run(given, notes.append)
    assert notes[0].startswith("Going on from step ")
    assert losses(made["out"]) == undisturbed(made)


def test_settings_that_taught_nothing_yet_may_be_mended(made: Made) -> None:
    """Where no checkpoint is there, nothing is lost; where one is, another folder must be named."""
    with pytest.raises(UsageError, match="has no row to learn from"):
        sft.run(short(made, "training.max_length=16"), silent)
    run = read_json(made["out"] / "run.json")
    assert (run["state"], run["error"]) == ("failed", f"{made['data']} has no row to learn from (all are longer than training.max_length); raise it.")
    assert sft.run(short(made), silent).steps == 6
    with pytest.raises(UsageError, match="lies a run of other settings; name another folder with out=FOLDER"):
        sft.run(short(made, "lora.r=4"), silent)


def test_what_gets_no_better_is_ended_and_the_best_is_kept(made: Made) -> None:
    """A rate at which the first evaluations are the best; the checkpoint of the best one is what is left."""
    outcome = sft.run(settings(made, "training.every=2", "training.patience=2", "evaluation.rows=0", "training.keep=9", *WILD), silent)
    (run,) = find_runs(made["out"])
    curve = run.curve("eval_loss")
    best = min(curve, key=lambda point: point[1])
    assert outcome.steps == best[0] + 2 * 2 < 120  # two evaluations without a better one
    assert run.facts["state"] == "done"
    kept = read_json(made["out"] / "checkpoints" / f"checkpoint-{outcome.steps}" / "trainer_state.json")
    assert kept["best_global_step"] == best[0]
    from safetensors.torch import load_file

    left = load_file(outcome.adapter / "adapter_model.safetensors")
    of_best = load_file(made["out"] / "checkpoints" / f"checkpoint-{best[0]}" / "adapter_model.safetensors")
    assert all(torch.equal(left[name], of_best[name]) for name in of_best)


def test_early_stopping_remembers_how_long_it_has_waited(made: Made) -> None:
    given = ("training.every=2", "training.patience=2", "evaluation.rows=0", "training.keep=9", *WILD)
    steps = sft.run(settings(made | {"out": made["out"].with_name("whole")}, *given), silent).steps
    with pytest.raises(Stopped):
        sft.run(settings(made, *given), Stopper(after=f"step {steps - 2} "))  # it has waited once by then
    assert sft.run(settings(made, *given), silent).steps == steps


def test_a_stop_at_the_step_that_ends_it_anyhow(made: Made) -> None:
    given = ("training.every=2", "training.patience=1", "evaluation.rows=0", "training.keep=9", *WILD)
    steps = sft.run(settings(made | {"out": made["out"].with_name("whole")}, *given), silent).steps
    assert sft.run(settings(made, *given), Stopper(after=f"step {steps - 1} ")).steps == steps
