"""`otto doctor`: every finding with its state and mend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terminal import Otto

from otto.store import DATABASE_NAME

pytestmark = pytest.mark.usefixtures("table")


@pytest.fixture
def doctor(otto: Otto, hears: Callable[..., None]) -> Callable[[], tuple[int, dict[tuple[str, str], Any]]]:
    hears()

    def run() -> tuple[int, dict[tuple[str, str], Any]]:
        ran = otto("doctor", "--json")
        rows = [json.loads(line) for line in ran.out.splitlines()]
        assert all(list(row) == ["area", "name", "state", "detail", "mend"] for row in rows)
        assert all(row["mend"] for row in rows if row["state"] != "ok")
        return ran.code, {(row["area"], row["name"]): row for row in rows}

    return run


def test_a_healthy_machine(doctor: Callable[..., Any], home: Path) -> None:
    code, found = doctor()
    assert code == 0
    assert found["python", "python"]["state"] == "ok"
    assert found["router", "engine"]["detail"] == "table"
    assert re.match(r"(no size|\w+\.en) fits into 0\.8 s a sentence on the processor \(estimated: tiny\.en \d+\.\d s, ", found["speech", "whisper size"]["detail"])
    assert found["models", "small.en"] | {"detail": ""} == {
        "area": "models", "name": "small.en", "state": "off", "detail": "", "mend": "otto models pull small.en",
    }  # fmt: skip
    assert found["keys", "OPENAI_API_KEY"]["state"] == "off"
    assert not home.exists()  # it only looks


def test_a_key_is_named_and_never_shown(doctor: Callable[..., Any], otto: Otto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    _, found = doctor()
    assert found["keys", "OPENAI_API_KEY"]["state"] == "ok"
    assert "sk-secret" not in json.dumps(list(found.values()))
    assert "sk-secret" not in otto("doctor").out


def test_a_damaged_database_is_found_and_left_alone(doctor: Callable[..., Any], home: Path) -> None:
    (home / "data").mkdir(parents=True)
    file = home / "data" / DATABASE_NAME
    file.write_bytes(b"this is no database at all" * 100)
    code, found = doctor()
    assert code == 1
    assert found["settings", "database"]["state"] == "fault"
    assert found["settings", "database"]["mend"] == "the next command sets it aside and begins a new one"
    assert file.read_bytes() == b"this is no database at all" * 100


def test_a_folder_that_cannot_be_written(doctor: Callable[..., Any], home: Path) -> None:
    home.write_text("a file where the folder should be")
    code, found = doctor()
    assert code == 1
    assert found["settings", "folder data"]["state"] == "fault"


def test_a_broken_skill_is_a_fault(doctor: Callable[..., Any], home: Path) -> None:
    (home / "skills").mkdir(parents=True)
    (home / "skills" / "broken.py").write_text("import nothing_like_this\n")
    code, found = doctor()
    assert code == 1
    assert found["skills", "broken.py:1"]["detail"] == "ModuleNotFoundError: No module named 'nothing_like_this'"


def test_a_package_of_an_old_version_is_a_fault(doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otto.doctor.metadata.requires", lambda name: ["numpy>=1", "rich>=9999"])
    code, found = doctor()
    assert code == 1
    assert found["packages", "numpy"]["state"] == "ok"
    assert found["packages", "rich"]["state"] == "fault"
    assert found["packages", "rich"]["detail"].endswith(", and Otto needs >=9999")
    assert found["packages", "rich"]["mend"] == 'pip install "rich>=9999"'


def test_a_damaged_model_is_a_fault(doctor: Callable[..., Any], home: Path) -> None:
    (home / "models" / "whisper" / "tiny.en").mkdir(parents=True)
    code, found = doctor()
    assert code == 1
    assert found["models", "tiny.en"]["mend"] == "otto models pull tiny.en"


def test_an_engine_that_fails_is_a_finding(doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("no engine")

    monkeypatch.setattr("otto.router.open_router", broken)
    code, found = doctor()
    assert code == 1
    assert found["router", "router"]["detail"] == "ZeroDivisionError: no engine"


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_fits(otto: Otto, hears: Callable[..., None], monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    hears()
    monkeypatch.setenv("COLUMNS", str(width))
    ran = otto("doctor")
    assert ran.code == 0
    assert ran.out.endswith("\nNo fault.\n")
    assert max(map(len, ran.out.splitlines())) <= width
