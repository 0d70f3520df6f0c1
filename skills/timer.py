"""Timers: announced when they run out, also after a restart."""

from __future__ import annotations

from datetime import datetime, timezone

from otto import Context, Duration, skill


@skill(undo="cancel")
def timer(duration: Duration, context: Context) -> str:
    """Set a timer for a duration.

    Args:
        duration: how long until it rings, such as "5 minutes"
    """
    when = datetime.now(timezone.utc) + duration.timedelta
    context.for_undo(context.schedule(when, f"Your timer for {duration} ran out.", label=duration))
    return f"Timer set for {duration}."


def cancel(context: Context) -> str:
    """Take the timer back."""
    return "The timer is cancelled." if context.unschedule(context.undo_value) else "That timer has already run out."
