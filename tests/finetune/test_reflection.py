"""Reflection: what the experiment measures and says, and that the runtime acts on the output alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from finetune.data.mistakes import KINDS
from otto.call import Call
from otto.router.answer import read_calls
from tests.router import toy

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml", "scipy"):
    pytest.importorskip(package, reason="the stages train with it")

from typer.testing import CliRunner  # noqa: E402  after the skips

from finetune.cli import app  # noqa: E402
from finetune.data.judge import judge  # noqa: E402
from finetune.reflection import EXACT, KEPT, MENDED, Figure, Found, wrong_drafts  # noqa: E402
from finetune.skills import load_skills  # noqa: E402
from tests.finetune import bases  # noqa: E402

REGISTRY = toy.registry()
CALL = 'timer(duration="5 minutes")'
THOUGHTS = f"<thinking>weather may be meant. Draft: weather()</thinking>\n<reflection>weather does not do it. The call is {CALL}.</reflection>\n"


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (f"{THOUGHTS}<output>{CALL}</output>", (Call("timer", {"duration": "5 minutes"}),)),
        (f" {THOUGHTS}<output> {CALL} </output>\n", (Call("timer", {"duration": "5 minutes"}),)),
        (f"{THOUGHTS}<output>other()</output>", (Call("other"),)),
        (f"<thinking>{CALL}</thinking><output>other()</output>", (Call("other"),)),  # a call in a thought is no call
        (f"{THOUGHTS}<output>{CALL}", None),  # it broke off
        (THOUGHTS, None),
        (f"<thinking>{CALL}", None),
        (f"{THOUGHTS}<output>I set it.</output>", None),
    ],
)
def test_the_runtime_acts_on_the_output_alone(answer: str, calls: tuple[Call, ...] | None) -> None:
    REGISTRY.install()
    assert read_calls(answer, REGISTRY) == calls


def test_the_interval_is_students() -> None:
    """n = 5, mean 0.5, standard deviation 0.1581: 0.5 ± 2.776 times 0.0707, by a table of Student's t for 4 degrees of freedom."""
    figure = Figure((0.3, 0.4, 0.5, 0.6, 0.7))
    assert figure.mean == pytest.approx(0.5)
    assert figure.interval == pytest.approx((0.5 - 2.776 * 0.07071, 0.5 + 2.776 * 0.07071), abs=1e-3)
    assert figure.minus(Figure((0.3, 0.4, 0.5, 0.6, 0.7))).interval == pytest.approx((0.0, 0.0))


def found(mended: tuple[float, ...], control: tuple[float, ...], exact: tuple[float, ...]) -> Found:
    plain, thoughts = Figure((0.8, 0.81, 0.82)), Figure((0.9, 0.9, 0.9))
    clean = {EXACT: plain, MENDED: Figure(control), KEPT: thoughts}
    return Found({"plain": {EXACT: plain}, "clean": clean, "planted": {EXACT: Figure(exact), MENDED: Figure(mended), KEPT: thoughts}}, 10, 40)


@pytest.mark.parametrize(
    ("mended", "control", "exact", "says"),
    [
        ((0.9, 0.92, 0.91), (0.1, 0.1, 0.12), (0.8, 0.81, 0.82), ("improves cases with planted mistakes: +80.3", "neither better nor worse")),
        ((0.1, 0.3, 0.2), (0.1, 0.1, 0.2), (0.5, 0.51, 0.52), ("did not improve cases with planted mistakes: +6.7", "answers worse")),
        ((0.2, 0.2, 0.2), (0.2, 0.2, 0.2), (0.9, 0.91, 0.92), ("did not improve cases with planted mistakes: +0.0", "answers better")),
    ],
)
def test_the_verdict_says_what_was_found(mended: tuple[float, ...], control: tuple[float, ...], exact: tuple[float, ...], says: tuple[str, str]) -> None:
    verdict = found(mended, control, exact).verdict()
    assert says[0] in verdict[0]
    assert says[1] in verdict[1]


def test_every_draft_that_is_planted_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(bases.SKILLS)
    registry = load_skills(str(tmp_path))
    rows = bases.rows()
    drafts = wrong_drafts(rows, registry)
    assert not any(judge(str(draft), row.call, registry).right for row, draft in drafts)
    assert len(drafts) > 2 * len(rows) > len(KINDS)
    assert drafts == wrong_drafts(rows, registry), "the same for every model"


def test_the_command_tunes_and_reports(tmp_path: Path, tiny_bases: dict[str, Path]) -> None:
    torch.set_num_threads(1)
    (tmp_path / "toy.py").write_text(bases.SKILLS)
    rows = bases.write_rows(tmp_path / "rows.jsonl", bases.rows()[:24])
    words = [str(rows), f"base={tiny_bases['mistral']}", f"skills={tmp_path}", f"out={tmp_path / 'out'}", *bases.HALF_TUNED, "training.max_length=256"]
    words += ["training.steps=2", "evaluation.samples=0", "evaluation.max_new_tokens=8", "--seeds", "2", "--json"]
    shown = CliRunner().invoke(app(), ["reflection", *words])
    assert shown.exit_code == 0, shown.output
    report = json.loads(shown.stdout)
    assert (report["rows"], len(report["planted"]["mended"]["seeds"])) == (3, 2)
    assert report["mistakes"] > 3
    assert "Reflection did not improve cases with planted mistakes" in report["verdict"][0], "two steps teach nothing"
    again = CliRunner().invoke(app(), ["reflection", *words])
    assert again.stderr.count("is done already") == 6
    assert json.loads(again.stdout) == report
