"""finetune.ipynb runs from its first cell to its last, and is kept without outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
for package in ("torch", "trl", "peft", "datasets", "nbclient", "ipykernel"):
    pytest.importorskip(package, reason="the notebook needs it")

NOTEBOOK = Path(__file__).parent.parent.parent / "finetune" / "finetune.ipynb"


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("OTTO_NOTEBOOK", str(tmp_path / "work"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parent.parent))
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    tuned = json.loads((tmp_path / "work" / "otto-tuned" / "sft" / "run.json").read_text())
    assert tuned["before"]["exact"]["value"] < 0.2
    assert tuned["after"]["exact"]["value"] > 0.5
    assert "'turn the garden light off please': light(" in said
    assert "Traceback" not in said
