"""`otto eval skill`: which skill is meant, what is spoken, what the figures are, and the exit codes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eval.acceptance import Report, acceptance, failures, false_acceptance
from eval.cli import app
from eval.plugin import load_plugin
from eval.statistics import wilson
from otto.cli import run_app
from otto.config import Settings, load_settings
from otto.errors import Problems, UsageError
from otto.paths import room
from otto.registry import Registry
from otto.scaffold import write_skill

needs_voice = pytest.mark.skipif(not shutil.which("flite"), reason="flite is not on this machine, and nothing else speaks here")
SKILLS = room("skills")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "none.toml", {"OTTO_HOME": str(tmp_path / "home")})


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The folder of a skill as `otto skills new` writes it."""
    write_skill("coffee_break", tmp_path / "plugin", Registry())
    return tmp_path / "plugin"


# --- which skill


def test_a_name_is_an_installed_skill(settings: Settings) -> None:
    registry, names = load_plugin("timer", settings)
    assert names == ["timer"] and len(registry) > 10


@pytest.mark.parametrize("part", ["", "coffee_break.py"])
def test_a_path_is_a_skill_beside_the_installed_ones(settings: Settings, plugin: Path, part: str) -> None:
    registry, names = load_plugin(str(plugin / part), settings)
    assert names == ["coffee_break"]
    assert {"timer", "other", "coffee_break"} <= set(registry.specs)
    assert len(registry.get("coffee_break").examples) == 7


def test_a_path_takes_the_place_of_an_older_version(settings: Settings, plugin: Path) -> None:
    shutil.copytree(plugin, settings.paths.skills)
    (settings.paths.skills / "coffee_break_examples.txt").unlink()
    assert len(load_plugin("coffee_break", settings)[0].get("coffee_break").examples) == 0
    assert len(load_plugin(str(plugin), settings)[0].get("coffee_break").examples) == 7


def test_a_bundled_skill_may_be_named_by_its_file(settings: Settings) -> None:
    assert load_plugin(str(SKILLS / "timer.py"), settings)[1][0] == "timer"


def test_what_is_no_skill(settings: Settings, plugin: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no skill timmer, and no such file; did you mean timer?"):
        load_plugin("timmer", settings)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="There is no skill in .*empty"):
        load_plugin(str(tmp_path / "empty"), settings)
    shutil.copy(plugin / "coffee_break.py", tmp_path / "timer.py")
    text = (tmp_path / "timer.py").read_text("utf-8").replace("def coffee_break", "def timer")
    (tmp_path / "timer.py").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="declares timer, and a bundled skill has that name; rename it"):
        load_plugin(str(tmp_path / "timer.py"), settings)
    (plugin / "coffee_break.py").write_text("def f(:", encoding="utf-8")
    with pytest.raises(Problems, match="cannot be loaded"):
        load_plugin(str(plugin), settings)


# --- figures


def row(id: str, gold: str, predicted: str, heard: str | None = "words", snr: float | None = None, group: str = "") -> dict[str, Any]:
    right = gold == predicted
    return {
        "id": id, "text": "words", "group": group, "snr": snr, "heard": heard, "gold": [[gold]], "predicted": [predicted], "valid": True, "exact": right,
        "stray": gold == "other()", "missed_call": predicted == "other()" != gold,
    }  # fmt: skip


ROWS = [
    row("spoken/a/own/0", "tea()", "tea()"),
    row("spoken/b/own/1", "tea()", "other()"),
    row("spoken/c/own/2", "tea(kind=1)", "tea(kind=2)"),
    row("spoken/d/own/3@6dB", "tea()", "timer()", snr=6.0),
    row("spoken/e/others/0", "timer()", "timer()"),
    row("spoken/f/others/1", "timer()", "tea()"),
    row("spoken/g/others/2", "other()", "other()"),
    row("spoken/h/others/3", "other()", "timer()"),
    row("typed/own/0", "tea()", "tea()", heard=None),
    row("typed/others/0", "other()", "tea()", heard=None),
]


def test_what_each_figure_counts() -> None:
    found = Report(("tea",), ("a", "b"), ROWS, []).to_json()
    spoken = {name: (rate["value"], rate["n"]) for name, rate in found["spoken"].items()}
    assert spoken == {
        "acceptance": (0.25, 4),
        "refused": (0.25, 4),
        "wrong": (0.5, 4),
        "false_acceptance": (0.25, 4),  # another skill's false call is not this one's
        "others_accepted": (0.5, 2),
    }
    assert (found["typed"]["acceptance"]["value"], found["typed"]["false_acceptance"]["value"]) == (1, 1)
    assert found["by_voice"]["a"]["acceptance"]["n"] == 1 and found["by_voice"]["a"]["false_acceptance"]["value"] is None
    assert {level: figures["acceptance"]["n"] for level, figures in found["by_snr"].items()} == {"clean": 3, "6": 1}
    assert [item["called"] for item in found["failures"]] == ["other()", "tea(kind=2)", "timer()", "tea()", "tea()"]
    assert [item["voice"] for item in found["failures"]] == ["b", "c", "d", "f", None]


def test_sentences_of_one_voice_are_no_proofs_of_their_own() -> None:
    """Twenty right ones by two voices, and as many in four templates: no more certain than two trials."""
    rows = [row(f"spoken/{'ab'[number % 2]}/own/{number}", "tea()", "tea()", group=f"t{number % 4}") for number in range(20)]
    found = acceptance(rows, ["tea"])
    assert (found.value, found.n) == (1, 20)
    assert found.low == pytest.approx(wilson(2, 2).low)
    assert false_acceptance(rows, ["tea"]).value is None
    assert failures(rows, ["tea"]) == []


def test_templates_that_are_all_half_right_leave_doubt() -> None:
    """Four sentences, each right without noise and wrong with it: to draw them again shows no spread, and there is one."""
    rows = [row(f"spoken/a/own/{number}{level}", "tea()", called, group=f"t{number}") for number in range(4) for level, called in (("", "tea()"), ("@6dB", "other()"))]
    found = acceptance(rows, ["tea"])
    assert (found.value, found.low, found.high) == (0.5, pytest.approx(wilson(2, 4).low), pytest.approx(wilson(2, 4).high))


# --- as it is typed


@dataclass
class Ended:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    for name in [name for name in os.environ if name.startswith("OTTO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Ended:
        typed = ["skill", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", ["eval", *typed])
        return Ended(run_app(app, "otto eval", typed), *capsys.readouterr())

    return run


@needs_voice
def test_the_whole_chain(check: Callable[..., Ended], plugin: Path) -> None:
    arguments = (plugin, "--voices", "flite:slt", "--limit", 4, "--router", "phrases", "--stt", "closed-phrase")
    done = check(*arguments, "--json", "--max-collisions", 0)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["skills"] == ["coffee_break"] and found["voices"] == ["flite:slt"] and found["faults"] == []
    assert found["spoken"]["acceptance"]["n"] == 3 and found["spoken"]["false_acceptance"]["value"] == 0
    assert found["spoken"]["acceptance"]["value"] >= 2 / 3
    assert found["typed"]["acceptance"]["value"] == 1 and found["typed"]["false_acceptance"]["n"] == 200
    assert found["collisions"] == []


@needs_voice
def test_a_skill_that_takes_what_is_anothers(check: Callable[..., Ended], plugin: Path) -> None:
    examples = plugin / "coffee_break_examples.txt"
    taken = "\n### User: set a timer for five minutes\n### Assistant: coffee_break()\n"
    examples.write_text(examples.read_text("utf-8") + taken, encoding="utf-8")
    done = check(plugin, "--voices", "flite:slt", "--limit", 4, "--router", "phrases", "--stt", "closed-phrase", "--max-collisions", 0)
    assert done.code == 1
    assert '"set a timer for five minutes": ' in done.stdout
    assert "of its phrases too, more than 0." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["timer", "--noise", "x.wav"], "--noise and --snr go together"),
        (["timer", "--snr", "12"], "--noise and --snr go together"),
        (["timer", "--noise", "x.wav", "--snr", "loud"], "--snr loud is no list of decibels"),
        (["timer", "--voices", "nobody:at-all"], "voice"),
    ],
)
def test_options_that_do_not_fit(check: Callable[..., Ended], arguments: list[str], says: str) -> None:
    done = check(*arguments)
    assert done.code == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_without_a_voice(check: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = check("timer")
    assert done.code == 2
    assert "install one with: apt-get install espeak-ng flite" in done.stderr
