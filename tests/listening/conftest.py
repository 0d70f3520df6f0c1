"""The rooms of the listening tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from listening_room import OpenRoom, Room, opened_room

from otto.audio.file import read_audio
from otto.demo import recordings
from otto.listening.listener import Mode
from otto.phrases import PhraseBook
from otto.registry import Registry

if TYPE_CHECKING:
    from otto.messages import Samples


@pytest.fixture(scope="session")
def registry() -> Registry:
    registry = Registry.load(entry_points=False)
    registry.install()
    return registry


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the aligned examples are kept: to align them takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def book(registry: Registry, cache: Path) -> PhraseBook:
    return PhraseBook.open(registry, cache)


@pytest.fixture(scope="session")
def speech() -> Samples:
    """One spoken sentence without the silence around it, int16[n], 16 kHz."""
    samples = np.concatenate([frame.samples for frame in read_audio(recordings()[0].file)])
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 500)
    return samples[loud[0] : loud[-1] + 1]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry, book: PhraseBook, cache: Path, speech: Samples) -> Iterator[OpenRoom]:
    """Opens a room: `room(mode, wake=…, asleep_after=…)`."""
    monkeypatch.setenv("OTTO_HOME", str(tmp_path))
    (tmp_path / "cache").symlink_to(cache)
    opened: list[Room] = []

    def open_room(mode: Mode = Mode.CONTINUOUS, **options: Any) -> Room:
        own = options.pop("registry", registry)
        opened.append(opened_room(mode, own, book if own is registry else PhraseBook(own), speech, **options))
        return opened[-1]

    yield open_room
    for one in opened:
        one.hearing.close()
        one.conversation.close()
        one.assistant.close()
