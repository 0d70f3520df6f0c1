"""What was said is no request to the assistant."""

from __future__ import annotations

from otto import skill


@skill(read_only=True, idempotent=True)
def other() -> str:
    """Do nothing: what was said is not for the assistant, or no skill fits it."""
    return ""
