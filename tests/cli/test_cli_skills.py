"""`otto skills`: list, show, new and check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Otto

ROOT = Path(__file__).parent.parent.parent

BROKEN = '''
from otto import skill

@skill
def brew(cup: complex) -> str:
    """Brew."""
    return ""
'''
BREW = '''
from otto import skill

@skill(examples={"brew it": "brew()"})
def brew() -> str:
    """Brew."""
    return "Brewing."
'''


def test_list_names_every_skill(otto: Otto) -> None:
    ran = otto("skills", "list")
    assert ran.code == 0
    names = [line.split()[0] for line in ran.out.splitlines()[1:] if not line.startswith(" ")]
    assert {"news", "math", "notes", "openai", "runapp", "story", "timecheck", "timer", "weather", "other"} <= set(names)
    assert max(map(len, ran.out.splitlines())) <= 80


def test_list_json(otto: Otto) -> None:
    rows = {row["name"]: row for row in map(json.loads, otto("skills", "list", "--json").out.splitlines())}
    assert rows["timer"]["signature"] == "timer(duration: Duration)"
    assert rows["timer"]["parameters"][0]["name"] == "duration"
    assert (rows["timer"]["undo"], rows["weather"]["risk"]["open_world"]) == (True, True)


def test_show(otto: Otto) -> None:
    lines = otto("skills", "show", "notes").out.splitlines()
    assert lines[0] == 'notes(action: Literal["add", "list"], note: str = \'\')'
    assert "  action: whether to add a note or to list them" in lines
    assert "  undo: yes" in lines
    assert json.loads(otto("skills", "show", "notes", "--json").out)["name"] == "notes"


def test_show_suggests(otto: Otto) -> None:
    assert otto("skills", "show", "timr").err == "There is no skill timr; did you mean timer?\n"
    ran = otto("skills", "show", "xyzzy")
    assert (ran.code, ran.err) == (1, "There is no skill xyzzy; see `otto skills list`.\n")


def test_new_writes_a_skill_that_is_checked_tested_and_used(otto: Otto, home: Path) -> None:
    ran = otto("skills", "new", "tea_break")
    folder = home / "skills"
    assert ran.code == 0
    assert ran.out.splitlines() == [str(folder / name) for name in ("tea_break.py", "tea_break_examples.txt", "test_tea_break.py")]
    assert otto("skills", "check", str(folder / "tea_break.py")).out == "1 skill, no problem: tea_break\n"
    assert otto("skills", "check", str(folder)).code == 0
    assert "tea_break" in otto("skills", "list").out
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout
    assert "4 passed" in tests.stdout


def test_a_new_skill_answers_through_the_router(otto: Otto) -> None:
    otto("skills", "new", "tea_break")
    ran = otto("say", "long tea break please", "--router", "phrases")
    assert (ran.code, ran.out) == (0, 'tea_break(size="long")\nThis is a long tea break.\n')


def test_new_in_another_folder(otto: Otto, tmp_path: Path) -> None:
    ran = otto("skills", "new", "brew", "--dir", str(tmp_path / "mine"))
    assert ran.code == 0
    assert (tmp_path / "mine" / "brew.py").is_file()
    assert "To use it, put it into " in ran.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tea break", "cannot name a skill"),
        ("2tea", "cannot name a skill"),
        ("class", "cannot name a skill"),
        ("naïve", "cannot name a skill"),
        ("../tea", "cannot name a skill"),
        ("Tea", "use small letters"),
        ("_tea", "use small letters"),
        ("test_tea", "use small letters"),
        ("timer", "There is a skill timer already"),
    ],
)
def test_names_that_a_skill_cannot_have(otto: Otto, home: Path, name: str, said: str) -> None:
    ran = otto("skills", "new", name)
    assert ran.code == 2
    assert said in ran.err
    assert not (home / "skills").exists()


def test_new_overwrites_nothing(otto: Otto, tmp_path: Path) -> None:
    (tmp_path / "test_brew.py").write_text("mine")
    ran = otto("skills", "new", "brew", "--dir", str(tmp_path))
    assert (ran.code, ran.err) == (2, f"{tmp_path / 'test_brew.py'} is there already; choose another name, or move it away.\n")
    assert not (tmp_path / "brew.py").exists()


def test_new_where_nothing_can_be_written(otto: Otto, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = otto("skills", "new", "brew", "--dir", str(tmp_path / "file"))
    assert ran.code == 1
    assert ran.err == f"The skill cannot be written to {tmp_path / 'file'} (File exists); give another folder: --dir FOLDER.\n"


def test_the_bundled_skills_have_no_problem(otto: Otto) -> None:
    ran = otto("skills", "check")
    assert ran.code == 0, ran.out
    assert ran.out.startswith("18 skills, no problem: ")


def test_check_reports_every_problem_with_file_line_and_mend(otto: Otto, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "broken.py").write_text(BROKEN)
    (folder / "syntax.py").write_text("def (:\n")
    (folder / "empty.py").write_text("")
    (folder / "brew.py").write_text(BREW)
    ran = otto("skills", "check", str(folder))
    lines = ran.out.splitlines()
    assert ran.code == 1
    assert [line.split(": ")[0] for line in lines] == ["broken.py:4", "empty.py:1", "syntax.py:1", "brew.py:4"]
    assert lines[0].startswith("broken.py:4: cup has a type that cannot be said: complex; use str, int")
    assert lines[3] == "brew.py:4: brew has 1 example, and nothing learns from so few how it is asked for; write at least 5 into brew_examples.txt"
    assert ran.err == "4 problems; 1 skill can be used.\n"


def test_check_of_one_file_runs_no_other(otto: Otto, tmp_path: Path) -> None:
    (tmp_path / "brew.py").write_text(BREW)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    otto("skills", "check", str(tmp_path / "brew.py"))
    assert not (tmp_path / "ran").exists()


def test_check_finds_faults_of_the_examples(otto: Otto, tmp_path: Path) -> None:
    otto("skills", "new", "brew", "--dir", str(tmp_path))
    examples = tmp_path / "brew_examples.txt"
    text = examples.read_text()
    examples.write_text(text.replace('brew(size="long")', 'brew(size="huge")', 1))
    assert "brew_examples.txt:10: size='huge' does not fit" in otto("skills", "check", str(tmp_path)).out
    examples.write_text(text + '### User: a brew please\n### Assistant: brew(size="long")\n')
    assert "'a brew please' teaches brew(size=\"long\"), and brew() in brew_examples.txt:21" in otto("skills", "check", str(tmp_path)).out
    examples.write_text(text + "### User: brew up\n")
    assert "there is no call for this" in otto("skills", "check", str(tmp_path)).out


def test_check_wants_arguments_in_the_words_that_are_said(otto: Otto, tmp_path: Path) -> None:
    (tmp_path / "brew.py").write_text(BREW.replace("def brew()", "def brew(kind: str)").replace("brew()", "brew(kind='oolong')"))
    ran = otto("skills", "check", str(tmp_path))
    assert "kind='oolong' is not in the words 'brew it'; write the argument in words that are said" in ran.out


@pytest.mark.parametrize(
    ("path", "said"), [("nowhere", "is not there"), ("notes.txt", "is no skill"), (".", "There is no skill in .")]
)
def test_check_of_what_is_no_skill(otto: Otto, path: str, said: str) -> None:
    Path("notes.txt").write_text("")
    ran = otto("skills", "check", path)
    assert ran.code == 1
    assert said in ran.err


def test_check_of_signatures(otto: Otto, tmp_path: Path) -> None:
    file = tmp_path / "skills.json"
    file.write_text('{"skills": [{"name": "order"}]}')
    assert otto("skills", "check", str(file)).out == "1 skill, no problem: order\n"


def test_a_broken_skill_stops_no_command(otto: Otto, home: Path, table: None) -> None:
    (home / "skills").mkdir(parents=True)
    (home / "skills" / "broken.py").write_text(BROKEN)
    ran = otto("say", "read my notes")
    assert ran.code == 0
    assert ran.err.startswith("A skill was left out: broken.py:4: cup has a type that cannot be said: complex; ")
