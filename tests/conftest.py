"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program that they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("otto", deadline=None)  # a shared machine may pause anywhere
settings.load_profile("otto")
