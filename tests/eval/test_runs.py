"""Reading a run back: what a kill cut short is not there yet, what is damaged is named line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.runs import Run, read_rows, read_run
from otto.errors import OttoError, Problems, StoreError
from tests.eval.made_runs import LESSONS_A, make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(tmp_path_factory.mktemp("runs"), "a", LESSONS_A, only=["w0", "t0", "s0"])


@pytest.fixture
def copy(made: Run, tmp_path: Path) -> Path:
    for name in ("results.jsonl", "summary.json"):
        (tmp_path / name).write_bytes((made.folder / name).read_bytes())
    return tmp_path


def test_a_run_is_read_from_its_folder_or_its_results(made: Run) -> None:
    assert [row["id"] for row in made.rows] == ["w0", "t0", "s0"]
    assert read_run(made.folder / "results.jsonl") == made
    assert made.name == "a"


@pytest.mark.parametrize("cut", [1, 40])
def test_a_last_line_that_was_cut_short_is_not_there(copy: Path, cut: int) -> None:
    file = copy / "results.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert [row["id"] for row in read_rows(file)] == ["w0", "t0"]


def _lines(copy: Path) -> list[str]:
    return (copy / "results.jsonl").read_text(encoding="utf-8").splitlines()


def test_all_that_is_damaged_is_named_at_once(copy: Path) -> None:
    file = copy / "results.jsonl"
    first, second, third = _lines(copy)
    wrong = json.dumps({**json.loads(second), "exact": "yes", "ms": None})
    file.write_text("\n".join([first, "{", "[1]", '{"id": "x"}', wrong, third, first]) + "\n", encoding="utf-8")
    with pytest.raises(Problems) as caught:
        read_rows(file)
    said = str(caught.value).splitlines()
    assert said[0] == "The results are damaged:"
    assert said[1].startswith(f"  {file}:2: this is not JSON (")
    assert said[2] == f"  {file}:3: a row is a JSON object"
    assert said[3].startswith(f"  {file}:4: text, group, gold, ") and said[3].endswith(" is missing")
    assert said[4] == f"  {file}:5: exact, ms has a value of the wrong type"
    assert said[5] == f"  {file}:7: the case w0 is also on line 1"


def test_a_thousand_damaged_lines_are_not_all_printed(copy: Path) -> None:
    file = copy / "results.jsonl"
    file.write_text("{\n" * 1000, encoding="utf-8")
    with pytest.raises(Problems, match=r"The results are damaged \(the first 20 of 1000\)") as caught:
        read_rows(file)
    assert len(caught.value.problems) == 20


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("results.jsonl", None, "holds no results.jsonl; give the folder that otto eval run wrote"),
        ("summary.json", None, "has no summary.json: its run did not end; finish it with: otto eval run --out"),
        ("summary.json", b"{", "summary.json cannot be read .* make it anew with: otto eval run --out"),
        ("summary.json", b"[]", "is not a summary of otto eval run"),
        ("summary.json", b"{}", "is not a summary of otto eval run"),
        ("results.jsonl", b"\xff\n", "results.jsonl cannot be read"),
    ],
)
def test_what_is_no_run_is_refused(copy: Path, name: str, content: bytes | None, says: str) -> None:
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    with pytest.raises(StoreError, match=says):
        read_run(copy)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OttoError, match="holds no results.jsonl"):
        read_run(tmp_path / "nowhere")
