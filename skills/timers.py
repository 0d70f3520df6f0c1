"""What timers are running, and how to stop them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

from otto import Context, skill, spoken


@skill(destructive=True, undo="restore")
def timers(action: Literal["list", "cancel"], context: Context) -> str:
    """List the running timers with the time that is left, or cancel them all.

    Args:
        action: whether to list or to cancel them
    """
    running = sorted(context.scheduled("timer") + context.scheduled(), key=lambda item: item.when)
    if not running:
        return "No timer is running."
    if action == "list":
        now = datetime.now(timezone.utc)
        left = [f"{item.label} with {spoken.duration((item.when - now).total_seconds())} left" for item in running]
        return f"{_count(len(running))} running: {spoken.listing(left)}."
    cancelled = [item for item in running if context.unschedule(item.id, item.skill)]
    context.for_undo([[item.when.isoformat(), item.text, item.label] for item in cancelled])
    return f"Cancelled {spoken.listing([f'the timer for {item.label}' for item in cancelled])}."


def restore(context: Context) -> str:
    """Start the cancelled timers again where they have not run out meanwhile; from here on they are this skill's own."""
    waiting = [row for row in context.undo_value if datetime.fromisoformat(row[0]) > datetime.now(timezone.utc)]
    for when, text, label in waiting:
        context.schedule(datetime.fromisoformat(when), text, label=label)
    return f"{_count(len(waiting))} running again." if waiting else "The cancelled timers have run out meanwhile."


def _count(number: int) -> str:
    return "1 timer is" if number == 1 else f"{number} timers are"
