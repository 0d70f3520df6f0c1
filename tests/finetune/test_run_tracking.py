"""The local tracker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune.cli import app
from finetune.tracking import DONE, METRICS, PREDICTIONS, RUN, Tracker, find_runs, plot
from otto.errors import StoreError


def begun(folder: Path) -> Tracker:
    data = folder / "training.jsonl"
    data.write_text("abc")
    tracker = Tracker(folder / "sft")
    tracker.start("sft", "stage: sft\n", [data])
    return tracker


def test_a_run_says_what_it_was_given(tmp_path: Path) -> None:
    run = begun(tmp_path).read()
    assert (run["stage"], run["state"], run["resumed"]) == ("sft", "running", 0)
    # printf abc | sha256sum
    assert run["data"] == {str(tmp_path / "training.jsonl"): "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert run["machine"]["cores"] >= 1
    assert (tmp_path / "sft" / "config.yaml").read_text() == "stage: sft\n"


def test_figures_and_answers_are_lines_and_a_second_start_goes_on(tmp_path: Path) -> None:
    tracker = begun(tmp_path)
    for step in (10, 20, 30):
        tracker.metrics(step, {"loss": 3 / step, "note": "x"})
        tracker.predictions(step, [{"prompt": "ü", "answer": "other()"}])
    started = tracker.read()["started"]
    again = begun(tmp_path)
    again.rewind(20)
    assert (again.read()["started"], again.read()["resumed"]) == (started, 1)
    (run,) = find_runs(tmp_path)
    assert run.curve("loss") == [(10, 0.3), (20, 0.15)]
    assert run.figures == ["loss"]
    assert [json.loads(line)["step"] for line in (tmp_path / "sft" / PREDICTIONS).read_text(encoding="utf-8").splitlines()] == [10, 20]


def test_a_line_that_a_kill_cut_short_is_passed_over(tmp_path: Path) -> None:
    tracker = begun(tmp_path)
    tracker.metrics(1, {"loss": 2.0})
    with (tmp_path / "sft" / METRICS).open("a") as file:
        file.write('{"step": 2, "lo')
    assert find_runs(tmp_path)[0].curve("loss") == [(1, 2.0)]


def test_a_run_file_that_is_cut_short_is_no_run(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "sft" / RUN).write_text('{"stage": "s')
    assert find_runs(tmp_path) == []


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none.jsonl cannot be read \(No such file or directory\)"):
        Tracker(tmp_path / "sft").start("sft", "", [tmp_path / "none.jsonl"])


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="name another with out=FOLDER"):
        Tracker(tmp_path / "file" / "sft").start("sft", "", [])


def test_a_plot() -> None:
    assert plot([(0, 0.0), (1, 1.0), (2, 2.0)], width=5, height=3) == ["2 ┤    •", "  ┤  •", "0 ┤•", "   0   2"]
    assert plot([(0, float("nan"))]) == []
    assert plot([(3, 1.0)], width=3, height=2) == ["1 ┤", "1 ┤•", "   3 3"]


def test_runs_are_listed_and_plotted(tmp_path: Path) -> None:
    tracker = begun(tmp_path)
    tracker.metrics(10, {"loss": 1.5})
    tracker.metrics(20, {"loss": 0.5})
    tracker.finish(DONE, before={"exact": {"value": 0.05, "n": 40}}, after={"exact": {"value": 0.9, "n": 40}})
    shown = CliRunner().invoke(app(), ["runs", str(tmp_path), "--plot", "loss"], env={"COLUMNS": "250"})
    assert shown.exit_code == 0, shown.output
    assert "5.0% of 40" in shown.output
    assert "90.0% of 40" in shown.output
    assert "1.5 ┤•" in shown.output
    as_json = CliRunner().invoke(app(), ["runs", str(tmp_path), "--json"])
    assert json.loads(as_json.stdout)["figures"] == {"loss": 0.5}


def test_a_figure_that_no_run_has_is_refused_with_those_there_are(tmp_path: Path) -> None:
    begun(tmp_path).metrics(10, {"loss": 1.5})
    shown = CliRunner().invoke(app(), ["runs", str(tmp_path), "--plot", "lose"])
    assert str(shown.exception) == "No run measured lose; they measured: loss."


def test_no_runs(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app(), ["runs", str(tmp_path)])
    assert (shown.exit_code, shown.stdout) == (3, f"There are no runs in {tmp_path}.\n")
