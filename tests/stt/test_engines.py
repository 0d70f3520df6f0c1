"""Which engine is opened, and what is said when one cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from otto.config import Settings, load_settings
from otto.errors import ModelError, UsageError
from otto.registry import Registry
from otto.stt import ENGINES, open_engine

SKILL = '''
from typing import Literal
from otto import skill

@skill(examples={"lights on": 'lights(state="on")', "lights off": 'lights(state="off")'})
def lights(state: Literal["on", "off"]) -> str:
    """Switch the lights."""
    return state
'''


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    folder = tmp_path / "skills"
    folder.mkdir()
    (folder / "lights.py").write_text(SKILL)
    return Registry.from_folder(folder)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings()
    return settings.model_copy(update={"paths": settings.paths.model_copy(update={"models": tmp_path / "models", "cache": tmp_path / "cache"})})


def with_model(settings: Settings, model: str) -> Settings:
    return settings.model_copy(update={"stt": settings.stt.model_copy(update={"model": model})})


@pytest.fixture
def installed(whisper_folder: Path, settings: Settings) -> Path:
    """A model where `otto models pull tiny.en` would put it."""
    return Path(shutil.copytree(whisper_folder, settings.paths.models / "whisper" / "tiny.en"))


def test_auto_without_a_model_is_closed_phrase_mode(registry: Registry, settings: Settings) -> None:
    assert open_engine("auto", registry, settings).name == "closed-phrase"


def test_auto_takes_the_model_that_is_there_though_the_settings_name_another(registry: Registry, settings: Settings, installed: Path) -> None:
    assert open_engine("auto", registry, with_model(settings, "small.en")).name == "whisper"


def test_a_model_may_be_a_folder(registry: Registry, settings: Settings, whisper_folder: Path) -> None:
    assert open_engine("auto", registry, with_model(settings, str(whisper_folder))).name == "whisper"


def test_closed_phrase_mode_can_be_chosen_although_a_model_is_there(registry: Registry, settings: Settings, installed: Path) -> None:
    assert open_engine("closed-phrase", registry, settings).name == "closed-phrase"


def test_whisper_without_a_model_says_how_to_get_one(registry: Registry, settings: Settings) -> None:
    with pytest.raises(ModelError, match=r"The model small\.en is not on this machine; download it with: otto models pull small\.en\."):
        open_engine("whisper", registry, with_model(settings, "small.en"))


def test_an_unknown_engine_names_those_there_are(registry: Registry, settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"There is no speech engine siri; choose one of: auto, whisper, closed-phrase\."):
        open_engine("siri", registry, settings)
    assert list(ENGINES) == ["whisper", "closed-phrase"]
