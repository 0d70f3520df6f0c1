"""The tagger keeps in step with the skills: shipped, cached, or learnt in the background."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otto import Call
from otto.config import Settings, load_settings
from otto.registry import Registry
from otto.router import learning
from otto.router.learning import TaggerSource
from otto.router.lessons import Lesson, lessons_of
from otto.router.tagger import FORMAT, Tagger
from otto.router.tagging import TaggerRouter
from otto.skill import SkillSpec
from tests.router import toy


def lamp(action: str) -> None:
    """Switch the lamp."""


LAMP = toy.taught(lamp, {"switch the lamp on": 'lamp(action="on")', "switch the lamp off": 'lamp(action="off")', "lamp off": 'lamp(action="off")'})


def more_skills(*specs: SkillSpec) -> Registry:
    return Registry.of([*toy.skills(), *specs])


class Processes:
    """Stands in for `subprocess`: keeps what was started, and runs it when asked."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self) -> None:
        self.started: list[list[str]] = []
        self.options: list[dict[str, Any]] = []

    def Popen(self, command: list[str], **options: Any) -> None:
        self.started.append(command)
        self.options.append(options)

    def finish(self, number: int = 0) -> None:
        learning.main(Path(self.started[number][-2]), Path(self.started[number][-1]))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagger of the made-up assistant, as if it were the shipped one."""
    folder = tmp_path_factory.mktemp("shipped")
    Tagger.train(lessons_of(toy.registry())).save(folder / "tagger.npz")
    (folder / "tagger.version").write_text(toy.registry().version + "\n")
    return folder


@pytest.fixture
def processes(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    found = Processes()
    monkeypatch.setattr(learning, "SHIPPED", shipped / "tagger.npz")
    monkeypatch.setattr(learning, "SHIPPED_VERSION", shipped / "tagger.version")
    monkeypatch.setattr(learning, "subprocess", found)
    monkeypatch.setattr(os, "nice", lambda change: 0)
    for cached in (learning.shipped_version, learning._shipped):
        cached.cache_clear()
    yield found
    for cached in (learning.shipped_version, learning._shipped):
        cached.cache_clear()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environ={"OTTO_HOME": str(tmp_path / "home")})


def cached(settings: Settings, registry: Registry) -> Path:
    return settings.paths.cache / f"tagger-{registry.version}-{FORMAT}.npz"


def test_the_shipped_skills_are_not_learnt_again(processes: Processes, settings: Settings) -> None:
    source = TaggerSource(toy.registry(), settings)
    assert not source.learning
    assert source.tagger.skills == {spec.name for spec in toy.skills()}
    assert processes.started == []
    assert not settings.paths.cache.exists()


def test_a_new_skill_starts_one_training_and_its_result_is_taken_up_by_the_next_route(processes: Processes, settings: Settings) -> None:
    registry = more_skills(LAMP)
    router = TaggerRouter(toy.registry(), settings)
    router.update(registry)
    assert router._source.learning
    assert router.route("weather in lisbon").calls == (Call("weather", {"location": "Lisbon"}),), "the shipped tagger goes on answering"
    assert not router.route("switch the lamp off").acts
    router.update(registry)
    TaggerRouter(registry, settings)
    assert len(processes.started) == 1, "a second start finds the training going on"
    assert processes.started[0][1:3] == ["-m", "otto.router.learning"]
    assert processes.options[0]["start_new_session"] is True
    processes.finish()
    assert router.route("switch the lamp off").calls == (Call("lamp", {"action": "off"}),)
    assert router.route("weather in lisbon").calls == (Call("weather", {"location": "Lisbon"}),)
    assert not router._source.learning
    assert [file.name for file in settings.paths.cache.iterdir()] == [cached(settings, registry).name], "nothing else is left"


def test_the_next_start_finds_what_was_learnt(processes: Processes, settings: Settings) -> None:
    registry = more_skills(LAMP)
    TaggerSource(registry, settings)
    processes.finish()
    again = TaggerSource(registry, settings)
    assert not again.learning
    assert "lamp" in again.tagger.skills
    assert len(processes.started) == 1


def test_a_changed_skill_is_learnt_again(processes: Processes, settings: Settings) -> None:
    changed = toy.taught(lamp, {"lights": 'lamp(action="on")', "dark": 'lamp(action="off")'})
    source = TaggerSource(more_skills(LAMP), settings)
    source.update(more_skills(changed))
    assert len(processes.started) == 2
    assert processes.started[0][-1] != processes.started[1][-1]


def test_the_training_is_given_all_lessons(processes: Processes, settings: Settings) -> None:
    registry = more_skills(LAMP)
    TaggerSource(registry, settings)
    rows = json.loads(Path(processes.started[0][-2]).read_text(encoding="utf-8"))
    assert [Lesson.from_json(row) for row in rows] == lessons_of(registry)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"PK\x03\x04 cut off"])
def test_a_damaged_cache_is_made_anew(processes: Processes, settings: Settings, damage: bytes) -> None:
    registry = more_skills(LAMP)
    path = cached(settings, registry)
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    router = TaggerRouter(registry, settings)
    assert router._source.learning
    assert len(processes.started) == 1
    assert not path.exists()
    processes.finish()
    assert router.route("switch the lamp off").calls == (Call("lamp", {"action": "off"}),)


def test_a_damaged_cache_that_cannot_be_deleted_does_no_harm(processes: Processes, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = more_skills(LAMP)
    path = cached(settings, registry)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nonsense")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert TaggerRouter(registry, settings).route("weather in lisbon").calls == (Call("weather", {"location": "Lisbon"}),)


def test_a_result_that_is_damaged_does_no_harm(processes: Processes, settings: Settings) -> None:
    registry = more_skills(LAMP)
    router = TaggerRouter(registry, settings)
    cached(settings, registry).write_bytes(b"nonsense")
    assert router.route("weather in lisbon").calls == (Call("weather", {"location": "Lisbon"}),)
    assert not router._source.learning


def test_a_folder_that_cannot_be_written_does_no_harm(processes: Processes, settings: Settings) -> None:
    settings.paths.cache.parent.mkdir(parents=True)
    settings.paths.cache.write_text("a file where the folder should be")
    router = TaggerRouter(more_skills(LAMP), settings)
    assert router.route("weather in lisbon").calls == (Call("weather", {"location": "Lisbon"}),)
    assert not router.route("switch the lamp off").acts
    assert processes.started == []


def test_a_process_that_cannot_start_does_no_harm(processes: Processes, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], **options: Any) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(processes, "Popen", refuse)
    assert TaggerRouter(more_skills(LAMP), settings).route("weather in lisbon").acts


def test_a_training_that_died_is_started_again(processes: Processes, settings: Settings) -> None:
    registry = more_skills(LAMP)
    TaggerSource(registry, settings)
    lessons = Path(processes.started[0][-2])
    TaggerSource(registry, settings)
    assert len(processes.started) == 1
    long_ago = time.time() - learning.STALE - 1
    os.utime(lessons, (long_ago, long_ago))
    TaggerSource(registry, settings)
    assert len(processes.started) == 2


def test_a_training_that_fails_leaves_nothing_behind(processes: Processes, tmp_path: Path) -> None:
    lessons = tmp_path / "x.lessons.json"
    lessons.write_text("nonsense")
    with pytest.raises(json.JSONDecodeError):
        learning.main(lessons, tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


def test_skills_that_have_nothing_in_common_with_the_shipped_ones_are_learnt_at_once(processes: Processes, settings: Settings) -> None:
    registry = Registry.of([LAMP])
    source = TaggerSource(registry, settings)
    assert not source.learning
    assert processes.started == []
    assert source.tagger.skills >= {"lamp"}
    assert cached(settings, registry).is_file()


def test_without_a_cache_all_is_learnt_at_once(processes: Processes) -> None:
    source = TaggerSource(more_skills(LAMP))
    assert not source.learning
    assert "lamp" in source.tagger.skills
    assert processes.started == []


def test_a_skill_that_is_gone_is_not_called(processes: Processes, settings: Settings) -> None:
    remaining = Registry.of([spec for spec in toy.skills() if spec.name != "weather"])
    route = TaggerRouter(remaining, settings).route("weather in lisbon")
    assert not route.acts


def test_the_command_that_is_started_learns(processes: Processes, settings: Settings) -> None:
    registry = more_skills(LAMP)
    source = TaggerSource(registry, settings)
    subprocess.run(processes.started[0], env=processes.options[0]["env"], cwd=settings.paths.cache, check=True)
    assert "lamp" in source.tagger.skills
    assert not source.learning
