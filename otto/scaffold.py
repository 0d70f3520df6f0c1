"""Writes a new skill with its examples and its test: a beginning that works."""

from __future__ import annotations

import keyword
from pathlib import Path

from otto.errors import StoreError, UsageError
from otto.registry import Registry

_SKILL = '''"""A {words} on request."""

from __future__ import annotations

from typing import Literal

from otto import skill


@skill(read_only=True, idempotent=True)
def {name}(size: Literal["short", "long"] = "short") -> str:
    """Give a {words}, short or long.

    Args:
        size: how much of it
    """
    return f"This is a {{size}} {words}."
'''
_EXAMPLES = """#### Prompt:
{name}(size="[size]") gives a {words}, short or long.

#### Prompt Examples:

### User: {words}
### Assistant: {name}()

### User: long {words} please
### Assistant: {name}(size="long")

#### Examples:

### User: give me a short {words}
### Assistant: {name}(size="short")

### User: give me a long {words}
### Assistant: {name}(size="long")

### User: a {words} please
### Assistant: {name}()

### User: short {words} please
### Assistant: {name}(size="short")

### User: can you give me a long {words}
### Assistant: {name}(size="long")
"""
_TEST = '''"""Run with: pytest {file}"""

from __future__ import annotations

from pathlib import Path

import pytest

from otto import Call, InvalidCall
from otto.registry import Registry

registry = Registry.from_folder(Path(__file__).parent)


def test_it_loads_with_its_examples() -> None:
    assert [str(problem) for problem in registry.problems if problem.where.startswith("{name}")] == []
    assert len(registry.get("{name}").examples) >= 5


@pytest.mark.parametrize("size", ["short", "long"])
def test_it_answers(size: str) -> None:
    spec = registry.get("{name}")
    assert spec.target is not None
    assert spec.target(**spec.validate(Call("{name}", {{"size": size}}))) == f"This is a {{size}} {words}."


def test_it_takes_nothing_else() -> None:
    with pytest.raises(InvalidCall):
        registry.get("{name}").validate(Call("{name}", {{"size": "endless"}}))
'''


def write_skill(name: str, folder: Path, installed: Registry) -> list[Path]:
    """Write NAME.py, NAME_examples.txt and test_NAME.py; returns the three.

    Raises:
        UsageError: the name cannot be a skill's, or is taken.
        StoreError: the files cannot be written.
    """
    _check_name(name, installed)
    files = {
        folder / f"{name}.py": _SKILL,
        folder / f"{name}_examples.txt": _EXAMPLES,
        folder / f"test_{name}.py": _TEST,
    }
    for file in files:
        if file.exists():
            raise UsageError(f"{file} is there already", "choose another name, or move it away")
    places = {"name": name, "words": name.replace("_", " ").strip(), "file": f"test_{name}.py"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            file.write_text(text.format(**places), encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"The skill cannot be written to {folder} ({error.strerror})", "give another folder: --dir FOLDER"
        ) from None
    return list(files)


def _check_name(name: str, installed: Registry) -> None:
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot name a skill", "use letters, digits and underscores, such as coffee_break")
    if name.startswith(("_", "test_")) or name != name.lower():
        raise UsageError(f"{name!r} cannot name a skill's file", "use small letters, and neither _ nor test_ in front")
    if name in installed.specs:
        raise UsageError(f"There is a skill {name} already, in {installed.specs[name].file}", "choose another name")
