"""The calendar."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

from otto import Context, Date, skill

TODAY = Date.parse("today")  # the word: which day it is, is found when it is asked


@skill(read_only=True, idempotent=True)
def date(context: Context, day: Date = TODAY) -> str:
    """Tell today's date, or the weekday and the distance of another day.

    Args:
        day: the day, such as "tomorrow", "next friday" or "december 24"
    """
    zone = context.settings.get("timezone")
    today = datetime.datetime.now(ZoneInfo(zone) if zone else None).date()
    wanted = day.resolve(today)
    said = f"{wanted:%A}, {wanted:%B} {wanted.day}, {wanted.year}"
    apart = (wanted - today).days
    if abs(apart) <= 1:
        return f"{ {-1: 'Yesterday was', 0: 'Today is', 1: 'Tomorrow is'}[apart] } {said}."
    return f"{said} is in {apart} days." if apart > 0 else f"{said} was {-apart} days ago."
