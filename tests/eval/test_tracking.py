"""W&B: what an offline run records, read from W&B's own log; what comes down; what is said where it cannot be."""

from __future__ import annotations

import json
import struct
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval import tracking
from eval.runs import Run
from otto.cli import wandb as weights_and_biases
from otto.errors import MissingExtra, NetworkError, OttoError, UsageError
from tests.eval.made_runs import LESSONS_B, ROWS, TWISTED_B, make
from tests.eval.test_compare import invoke


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(tmp_path_factory.mktemp("runs"), "b", LESSONS_B, TWISTED_B)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No key, no files of W&B's own from elsewhere, and nothing that a process of W&B remembers of the test before."""
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "OTTO_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    yield
    if hasattr(sys.modules.get("wandb"), "teardown"):
        sys.modules["wandb"].teardown()


def records(file: Path) -> Iterator[Any]:
    """The records of a .wandb file: a LevelDB log of protobufs behind seven bytes of header."""
    import wandb
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # before that the end of a run need not be in the file yet
    data, place, part = file.read_bytes(), 7, b""
    while place < len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            yield record


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.mark.usefixtures("offline")
def test_an_offline_run_holds_figures_predictions_and_the_report(run: Run) -> None:
    said = tracking.log_run(run.folder)
    folder = Path(said.removeprefix("wandb sync "))
    assert said.startswith("wandb sync ") and folder.parent == run.folder / "wandb"
    (file,) = folder.glob("*.wandb")
    found = list(records(file))

    (started,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    assert (started.project, started.display_name, started.job_type, started.host) == ("otto", "b", "eval", "-")
    config = {item.key: json.loads(item.value_json) for item in started.config.update}
    assert config["router"]["engine"] == "phrases"
    assert config["data"] == run.summary["data"]

    logged = {}
    for record in found:
        if record.WhichOneof("record_type") == "history":
            logged |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
    assert logged["exact_match"] == 0.85
    assert logged["exact_match/n"] == 20
    assert logged["false_call_rate"] == 0.25
    assert logged["latency_ms/p50"] == run.summary["latency_ms"]["p50"]
    assert (logged["predictions/nrows"], logged["by_skill/nrows"]) == (20, 4)
    assert logged["report/_type"] == "html-file"

    (artifact,) = [record.artifact for record in found if record.WhichOneof("record_type") == "artifact" and record.artifact.type == "evaluation"]
    assert artifact.name == "eval-b"
    assert {entry.path for entry in artifact.manifest.contents} >= {"report.html", "results.jsonl", "summary.json", "predictions.table.json"}
    assert {"environment", "stats", "output_raw"} & {record.WhichOneof("record_type") for record in found} == set()  # nothing of the machine


@pytest.mark.usefixtures("offline")
def test_the_local_files_stay_as_they_are(run: Run) -> None:
    before = {name: (run.folder / name).read_bytes() for name in ("results.jsonl", "summary.json", "run.json")}
    tracking.log_run(run.folder)
    assert before == {name: (run.folder / name).read_bytes() for name in before}


@pytest.mark.usefixtures("offline")
def test_the_command_says_how_to_upload(capfd: pytest.CaptureFixture[str], run: Run) -> None:
    code, out, _ = invoke(capfd, "report", run.folder, "--wandb")
    page, logged = out.splitlines()
    assert (code, page) == (0, str(run.folder / "report.html"))
    assert logged.startswith(f"W&B: wandb sync {run.folder / 'wandb'}")


def test_each_prediction_has_a_row(run: Run) -> None:
    rows = {row[0]: dict(zip(tracking._PREDICTIONS, row, strict=True)) for row in tracking.prediction_rows(run)}
    assert list(rows) == list(ROWS)
    assert rows["s3"]["predicted"] == 'timer(duration="again")'
    assert rows["s3"]["gold"] == "other()"
    assert rows["s3"]["correct"] is False
    assert isinstance(rows["s3"]["ms"], float)


@pytest.mark.parametrize(
    ("value", "cell"),
    [([], ""), (["a()", "b()"], "a(); b()"), ([["a()", "b()"], ["c()"]], "a(); b() | c()"), ("text", "text"), (None, None), (0.5, 0.5)],
)
def test_a_cell_of_calls(value: Any, cell: Any) -> None:
    assert tracking._cell(value) == cell


def test_figures_leave_out_what_was_not_measured(run: Run) -> None:
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    found = tracking.figures({**run.summary, "false_call_rate": nothing})
    assert found["false_call_rate/n"] == 0
    assert not {"false_call_rate", "false_call_rate/low"} & set(found)
    assert all(isinstance(value, int | float) for value in found.values())


def test_without_a_key_it_is_said_how_to_get_one(run: Run) -> None:
    pytest.importorskip("wandb")
    with pytest.raises(OttoError, match="W&B has no key for you on this machine; log in with: wandb login, or set WANDB_MODE=offline"):
        tracking.log_run(run.folder)
    with pytest.raises(OttoError, match="W&B has no key"):
        tracking.pull_cases("team/otto/cases:latest")


def test_without_a_server_the_run_stays_and_can_be_logged_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(weights_and_biases, "PATIENCE", 2)
    with pytest.raises(NetworkError, match=r"W&B cannot be reached.*the run is whole in .*/b; log it again with: otto eval report .*/b --wandb"):
        tracking.log_run(run.folder)
    with pytest.raises(NetworkError, match="W&B cannot be reached"):
        tracking.pull_cases("team/otto/cases:latest")


@pytest.mark.usefixtures("offline")
def test_offline_no_artifact_can_be_read(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="The artifact team/otto/cases:v1 cannot be read in W&B's offline mode; unset WANDB_MODE, or give a file"):
        tracking.pull_cases("team/otto/cases:v1")
    code, out, err = invoke(capfd, "run", "wandb:team/otto/cases:v1", "--router", "phrases")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("The artifact team/otto/cases:v1 cannot be read")


def test_an_artifact_comes_to_a_folder_of_its_own_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """W&B's server is played by a stand-in: what is asked of its client, and where the files go."""
    wandb = pytest.importorskip("wandb")
    asked: list[str] = []

    class Api:
        def __init__(self, timeout: int) -> None:
            assert timeout == weights_and_biases.PATIENCE

        def artifact(self, name: str) -> Any:
            asked.append(name)
            return types.SimpleNamespace(qualified_name="team/otto/cases:v3", digest="abc", download=download)

    def download(root: str) -> str:
        Path(root).mkdir(parents=True, exist_ok=True)
        (Path(root) / "cases.jsonl").write_text("{}\n", encoding="utf-8")
        return root

    monkeypatch.setattr(wandb, "Api", Api)
    folder = tracking.pull_cases("team/otto/cases:latest")
    assert asked == ["team/otto/cases:latest"]
    assert folder.name == "team-otto-cases-v3-abc"
    assert tmp_path in folder.parents
    assert [file.name for file in folder.iterdir()] == ["cases.jsonl"]


@pytest.mark.parametrize("module", [None, types.ModuleType("wandb")])
def test_without_the_package_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, module: types.ModuleType | None) -> None:
    """The second is what a folder named wandb imports as, where the package is not installed."""
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delitem(sys.modules, "wandb.errors", raising=False)
    for call in (lambda: tracking.log_run(run.folder), lambda: tracking.pull_cases("a/b/c:v0")):
        with pytest.raises(MissingExtra, match=r'wandb is not installed; install it with: pip install "otto-assistant\[wandb\]"'):
            call()
