"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("otto", deadline=None)  # a shared machine may pause anywhere
settings.load_profile("otto")
