"""What holds for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from otto import call


@pytest.fixture(autouse=True)
def no_normalisers() -> Iterator[None]:
    """Calls are equal by their literals, whatever an earlier test installed; what a test installs goes with it."""
    before = call._resolver
    call.set_resolver(lambda name: None)
    yield
    call.set_resolver(before)


@pytest.fixture(scope="session")
def tiny_bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a tuned-for-seconds model for "llama" and for "mistral", made when it is first asked for."""
    from tests.finetune.bases import Bases

    return Bases(tmp_path_factory.mktemp("bases"))


@pytest.fixture
def made(tmp_path: Path, tiny_bases: dict[str, Path]) -> dict[str, Path]:
    """What a supervised stage is given: rows, skills, a base, and a folder that is not there yet."""
    import torch

    from tests.finetune import bases

    torch.set_num_threads(1)
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / "toy.py").write_text(bases.SKILLS)
    data = bases.write_rows(tmp_path / "training.jsonl", bases.rows())
    return {"data": data, "skills": tmp_path / "skills", "base": tiny_bases["mistral"], "out": tmp_path / "sft"}
