"""Plans: stages in a chain, scored between, ended by a worse score."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml"):
    pytest.importorskip(package, reason="the stages train with it")

from typer.testing import CliRunner  # noqa: E402  after the skips

from finetune import chain  # noqa: E402
from finetune.cli import app  # noqa: E402
from finetune.config import Plan, load_plan  # noqa: E402
from finetune.rows import PreferenceRow  # noqa: E402
from finetune.tracking import read_json  # noqa: E402
from otto.errors import StoreError, UsageError  # noqa: E402
from tests.finetune import bases  # noqa: E402
from tests.finetune.test_stage_dpo import WRONG  # noqa: E402
from tests.finetune.test_stage_sft import silent  # noqa: E402

PLAN = """\
base: {base}
out: {out}
rows: {rows}
skills: {skills}
evaluation: {{max_new_tokens: 32}}
stages:
  - config: sft
    set: {{{common}, training.steps: 60, training.batch: 8, training.learning_rate: 0.005}}
  - config: dpo
    set: {{{common}, data: {pairs}, training.steps: 16, training.batch: 8, training.learning_rate: {rate}, sft_weight: 0}}
"""
COMMON = "training.accumulate: 1, training.every: 30, training.max_length: 128, lora.dropout: 0, evaluation.rows: 0, evaluation.samples: 0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_bases: dict[str, Path]) -> dict[str, Any]:
    """What a plan names; the folder of results is shared, so that the first stage is trained once."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("chain")
    (folder / "skills").mkdir()
    (folder / "skills" / "toy.py").write_text(bases.SKILLS)
    rows = bases.rows()
    good = [PreferenceRow(row.prompt, row.completion, f" {WRONG[row.skill]}", "wrong", row.split, row.source) for row in rows]
    bad = [PreferenceRow(row.prompt, row.rejected, row.chosen, "turned round", row.split, row.source) for row in good]
    return {
        "folder": folder, "base": tiny_bases["llama"], "out": folder / "tuned", "rows": bases.write_rows(folder / "training.jsonl", rows),
        "skills": folder / "skills", "pairs": bases.write_rows(folder / "pairs.jsonl", good), "rate": 1e-4, "common": COMMON,
        "bad": bases.write_rows(folder / "bad.jsonl", bad),
    }  # fmt: skip


def plan(made: dict[str, Any], **changes: Any) -> Plan:
    path = made["folder"] / "plan.yaml"
    path.write_text(PLAN.format(**made | changes), encoding="utf-8")
    return load_plan(path)


def test_the_stages_follow_each_other_and_are_scored_between(made: dict[str, Any]) -> None:
    notes: list[str] = []
    adapter = chain.run(plan(made), made["folder"], notes.append)
    assert adapter == made["out"] / "2-dpo" / "adapter"
    scores = read_json(made["out"] / chain.SCORES)
    base, first, second = (scores[name]["exact"] for name in ("base", "1-sft", "2-dpo"))
    assert base["n"] == 14
    assert base["value"] < 0.2 < 0.5 < first["value"] <= second["value"]
    assert read_json(adapter / "adapter_config.json")["peft_type"] == "LORA"

    again: list[str] = []
    assert chain.run(plan(made), made["folder"], again.append) == adapter
    assert [note for note in again if "done already" in note] == [f"{made['out'] / name} is done already" for name in ("1-sft", "2-dpo")]
    assert [note for note in again if "exact of" in note] == [note for note in notes if "exact of" in note]


def test_a_stage_that_makes_the_score_worse_ends_the_chain(made: dict[str, Any]) -> None:
    folder = made["folder"]
    out = folder / "worse"
    out.mkdir()
    import shutil

    if (made["out"] / "1-sft").is_dir():  # the first stage is the same, whatever its folder is called
        shutil.copytree(made["out"] / "1-sft", out / "1-sft")
        config = out / "1-sft" / "config.yaml"
        config.write_text(config.read_text().replace(str(made["out"]), str(out)))
    with pytest.raises(chain.Worse, match=r"^The stage 2-dpo made the score worse: .* so the chain stops; what was best is .*1-sft/adapter"):
        chain.run(plan(made, out=out, pairs=made["bad"], rate=1e-2), folder, silent)
    scores = read_json(out / chain.SCORES)
    assert scores["2-dpo"]["exact"]["value"] < scores["1-sft"]["exact"]["value"]


def test_data_of_a_later_stage_that_is_missing_is_refused_at_once(made: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"none.jsonl cannot be read"):
        chain.run(plan(made, pairs=made["folder"] / "none.jsonl", out=made["folder"] / "unmade"), made["folder"], silent)
    assert not (made["folder"] / "unmade").exists()


def test_rows_without_a_test_split_are_refused(made: dict[str, Any], tmp_path: Path) -> None:
    rows = bases.write_rows(tmp_path / "training.jsonl", [row for row in bases.rows() if row.split != "test"])
    with pytest.raises(UsageError, match="has no rows of the split test, which score the stages"):
        chain.run(plan(made, rows=rows, out=tmp_path / "unmade"), made["folder"], silent)


def test_a_dry_run_shows_every_stage(made: dict[str, Any]) -> None:
    plan(made, out=made["folder"] / "unmade")
    shown = CliRunner().invoke(app(), ["run", str(made["folder"] / "plan.yaml"), "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert [line for line in shown.stdout.splitlines() if line.startswith("stage:")] == ["stage: sft", "stage: dpo"]
    assert shown.stdout.count("an estimate") == 2
    assert f"adapter   {made['folder'] / 'unmade' / '1-sft' / 'adapter'}, which is not there yet" in shown.stdout  # the first stage will leave it
    assert not (made["folder"] / "unmade").exists()
