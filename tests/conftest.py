"""What holds for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.sound import SoundServer, sound_server_at
from tests.web import Site

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program that they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("otto", deadline=None)  # a shared machine may pause anywhere
settings.load_profile("otto")


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on this machine."""
    site = Site()
    yield site
    site.close()


@pytest.fixture
def sound_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """A microphone and a loudspeaker that are real to PortAudio; see tests/sound.py."""
    with sound_server_at(tmp_path, monkeypatch) as server:
        yield server
