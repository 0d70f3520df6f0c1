"""What holds for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from otto import call


@pytest.fixture(autouse=True)
def no_normalisers() -> Iterator[None]:
    """Calls are equal by their literals, whatever an earlier test installed; what a test installs goes with it."""
    before = call._resolver
    call.set_resolver(lambda name: None)
    yield
    call.set_resolver(before)
