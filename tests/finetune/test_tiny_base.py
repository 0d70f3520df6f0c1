"""`otto finetune tiny`: a base of a model's folder, and what cannot be made into one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
for package in ("torch", "transformers", "trl"):
    pytest.importorskip(package, reason="the stages train with it")

from finetune.cli import app  # noqa: E402  after the skips
from finetune.tiny import lessons  # noqa: E402
from otto.cli import run_app  # noqa: E402
from tests.finetune import bases  # noqa: E402


@pytest.mark.parametrize(("kind", "family", "architecture"), [("mistral", "mistral-instruct", "MistralForCausalLM"), ("llama", "llama-2-chat", "LlamaForCausalLM")])
def test_a_folder_that_the_stages_take(tmp_path: Path, kind: str, family: str, architecture: str, capfd: pytest.CaptureFixture[str]) -> None:
    rows = bases.write_rows(tmp_path / "rows.jsonl", bases.rows()[:30])
    command = ["tiny", str(rows), str(tmp_path / "base"), "--kind", kind, "--steps", "2"]
    assert run_app(app, "otto finetune", command) == 0
    assert json.loads((tmp_path / "base" / "config.json").read_text())["architectures"] == [architecture]
    assert json.loads((tmp_path / "base" / "tokenizer_config.json").read_text())["otto_prompt"] == family
    assert run_app(app, "otto finetune", command) == 2
    assert f"In {tmp_path / 'base'} lies a model already; name another folder, or delete that one." in capfd.readouterr().err


def test_what_it_learns_is_not_the_call_syntax_and_not_held_out() -> None:
    long = [replace(row, prompt=f"<s>[INST] Use these:\n- timer\n\n{row.utterance} [/INST]") for row in bases.rows()]
    answers, last_lines, again, *more = lessons(long)
    assert more == [last_lines, again]
    assert len(answers) == len(again) == 68, "a quarter of 110 rows is watched, an eighth tested"
    assert [(f"<s>[INST] Use these:\n- timer\n\n{read.removeprefix('<s>')}", written) for read, written in last_lines] == answers
    assert not any("(" in written for _, written in answers)
    assert all(read == f"<s>again{written.removesuffix('</s>')}" for read, written in again)


@pytest.mark.parametrize(
    ("rows", "arguments", "code", "says"),
    [
        ("", [], 2, "There are no rows to make a base of; collect some with `otto finetune data collect --format mistral-instruct`."),
        ('{"prompt": [{"role": "user", "content": "hi"}], "completion": " other()", "skill": "other"}', [], 2, "There are no rows to make a base of"),
        ("broken", [], 1, "rows.jsonl:1: this is not a row"),
        ("", ["--kind", "gpt"], 2, "There is no kind gpt; use one of: mistral, llama."),
    ],
)
def test_what_is_no_base_is_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str], rows: str, arguments: list[str], code: int, says: str) -> None:
    (tmp_path / "rows.jsonl").write_text(rows)
    assert run_app(app, "otto finetune", ["tiny", str(tmp_path / "rows.jsonl"), str(tmp_path / "base"), *arguments]) == code
    assert says in capfd.readouterr().err
    assert not (tmp_path / "base").exists()
