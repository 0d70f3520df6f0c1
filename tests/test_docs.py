"""The documents say what is: every setting with its default, every command, every link, every example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otto import Call
from otto.check import check_skills
from otto.cli.app import app
from otto.config import Settings, load_settings
from otto.examples import parse_example_file
from otto.registry import Registry
from otto.router import ENGINES

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_every_setting_stands_with_its_default(tmp_path: Path) -> None:
    rows = dict(re.findall(r"^\| `(\w+\.\w+)` \| `?(.*?)`? \|", (ROOT / "docs/config.md").read_text("utf-8"), flags=re.MULTILINE))
    defaults = load_settings(tmp_path / "none.toml", {"OTTO_HOME": str(tmp_path)}).model_dump()
    settings = {f"{table}.{key}": value for table, keys in defaults.items() if table != "skills" for key, value in keys.items()}
    assert rows.keys() == settings.keys()
    for key, value in settings.items():
        if not key.startswith("paths."):
            assert rows[key] == json.dumps(value), key


def test_the_settings_file_of_the_documents_is_read(tmp_path: Path) -> None:
    (text,) = blocks("docs/config.md", "toml")
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    settings = load_settings(tmp_path / "config.toml", {"OTTO_HOME": str(tmp_path)})
    assert (settings.stt.engine, settings.user.location) == ("whisper", "Potsdam")
    assert settings.for_skill("tea")["favourite"] == "oolong"


def test_the_skill_of_the_readme_works_in_ten_lines(tmp_path: Path) -> None:
    (code,) = blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line]) <= 10
    (tmp_path / "tea.py").write_text(code, encoding="utf-8")
    registry = Registry.from_folder(tmp_path)
    assert registry.problems == []
    spec = registry.get("tea")
    assert spec.target is not None
    assert spec.target(**spec.validate(Call("tea", {"kind": "green"}))) == "Two minutes."
    assert {example.text for example in spec.examples} == {"how long does green tea take", "how long for black tea"}


def test_the_example_file_of_the_documents_is_read() -> None:
    (text,) = blocks("docs/examples.md", "")
    file = parse_example_file(text, "tea_examples.txt")
    assert [str(example.call) for example in file.all] == ['tea(kind="green")', 'tea(kind="black", minutes=4)', "other()"]
    assert str(file) == text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_links_are_there(document: Path) -> None:
    text = document.read_text("utf-8")
    known = {str(name) for name in commands()}
    named = set(re.findall(r"(?:^ {4}|`)otto ([a-z]+)\b", text, flags=re.MULTILINE))
    assert named - known == set()
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (document.parent / link).exists(), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_that_are_shown_can_be_set(document: Path) -> None:
    for table, key in re.findall(r"otto config set ([a-z]+)\.([a-z_]+)", document.read_text("utf-8")):
        assert key in Settings.model_fields[table].annotation.model_fields, f"{table}.{key}"  # type: ignore[union-attr]


def commands() -> list[str]:
    from typer.main import get_command

    root = get_command(app)
    return list(root.list_commands(None))  # type: ignore[attr-defined,arg-type]


def test_every_router_is_named() -> None:
    text = (ROOT / "docs/router.md").read_text("utf-8")
    assert [name for name in ENGINES if f"`{name}`" not in text] == []


def test_the_bundled_skills_pass_their_own_check() -> None:
    names, problems = check_skills(None, ROOT / "no-such-folder")
    assert len(names) >= 18
    assert [str(problem) for problem in problems] == []
