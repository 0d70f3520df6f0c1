"""Data as a W&B artifact: what goes up, read from W&B's own log; what comes down, from a server on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("wandb", reason="the artifacts are W&B's")

from finetune.cli import app
from finetune.data import artifacts
from otto.cli import wandb
from otto.errors import NetworkError, OttoError, StoreError, UsageError
from tests.eval.test_tracking import nobody, records  # noqa: F401  the fixture is used by its name
from tests.finetune import bases
from tests.finetune.artifact_server import serve

pytestmark = pytest.mark.usefixtures("nobody")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return bases.write_rows(tmp_path / "training.jsonl", bases.rows())


@pytest.fixture
def server(rows: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serve("otto-training", [rows]) as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        yield address


def test_what_is_pushed_offline_is_in_the_log_of_the_run(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    shown = CliRunner().invoke(app(), ["data", "push", str(rows), "--name", "toys of May"])
    assert shown.exit_code == 0, shown.output
    folder = Path(shown.stdout.strip().removeprefix("wandb sync "))
    (file,) = folder.glob("*.wandb")
    (artifact,) = [record.artifact for record in records(file) if record.WhichOneof("record_type") == "artifact"]
    assert (artifact.type, artifact.name) == ("dataset", "toys-of-May")
    (entry,) = artifact.manifest.contents
    assert (entry.path, entry.size) == ("training.jsonl", rows.stat().st_size)
    about = json.loads(artifact.metadata)["files"]["training.jsonl"]
    assert about == {"sha256": hashlib.sha256(rows.read_bytes()).hexdigest(), "rows": 110}


def test_what_is_pulled_is_what_the_server_has(rows: Path, server: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app(), ["data", "pull", "team/otto/otto-training:v0", "--to", str(tmp_path / "new")])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines() == [str(tmp_path / "new" / "training.jsonl")]
    assert (tmp_path / "new" / "training.jsonl").read_bytes() == rows.read_bytes()
    assert artifacts.pull("team/otto/otto-training:v0", tmp_path / "new")  # once more, over the same file


def test_another_file_of_that_name_is_not_overwritten(server: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "training.jsonl").write_text("mine\n")
    with pytest.raises(StoreError, match=r"training.jsonl is there already, and is another file; name another folder with --to FOLDER"):
        artifacts.pull("team/otto/otto-training:v0", tmp_path / "new")
    assert (tmp_path / "new" / "training.jsonl").read_text() == "mine\n"


def test_an_artifact_that_is_not_there(server: str, tmp_path: Path) -> None:
    with pytest.raises(OttoError, match="check the address, or download it where it can be reached"):
        artifacts.pull("team/otto/other:v7", tmp_path)


def test_without_a_key_or_a_server_it_is_said_what_to_do(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OttoError, match="^W&B has no key for you on this machine; log in with: wandb login, or set WANDB_MODE=offline"):
        artifacts.push([rows], "toys")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(wandb, "PATIENCE", 2)
    with pytest.raises(NetworkError, match="W&B cannot be reached"):
        artifacts.push([rows], "toys")


def test_offline_nothing_can_be_pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(UsageError, match="cannot be read in W&B's offline mode; unset WANDB_MODE, or name the file that was pushed"):
        artifacts.pull("team/otto/otto-training:v0", tmp_path)


def test_files_that_cannot_be_pushed(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = bases.write_rows(tmp_path / "other" / "training.jsonl", bases.rows())
    with pytest.raises(UsageError, match="Two files are called training.jsonl, and an artifact holds one; rename one"):
        artifacts.push([rows, twin], "toys")
    with pytest.raises(StoreError, match="none.jsonl cannot be read"):
        artifacts.push([tmp_path / "none.jsonl"], "toys")
