"""A variable for a library that takes it from the environment and from nowhere else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def environment(variable: str, value: str) -> Iterator[None]:
    """Within the context the variable has this value; then what it had before."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
