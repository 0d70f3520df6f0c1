"""Alarms at a time of day, announced also after a restart."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from otto import Context, OttoError, Time, skill, spoken


@skill(destructive=True, undo="take_back")
def alarm(action: Literal["set", "list", "cancel"], context: Context, time: Time | None = None) -> str:
    """Set an alarm for a time of day, list the alarms, or cancel one or all of them.

    Args:
        action: whether to set, list or cancel
        time: the time of day, such as "7:30"; without it, cancel means all alarms
    """
    if action == "set":
        return _set(time, context)
    if action == "list":
        return _list(context)
    return _cancel(time, context)


def take_back(context: Context) -> str:
    """Remove the alarm that was set, or set those again that were cancelled."""
    for id in context.undo_value.get("set", ()):
        return "The alarm is cancelled." if context.unschedule(id) else "That alarm has already rung."
    now = _now(context).astimezone()
    waiting = [row for row in context.undo_value["cancelled"] if datetime.fromisoformat(row[0]) > now]
    for when, text, label in waiting:
        context.schedule(datetime.fromisoformat(when), text, label=label)
    return "The alarms are set again." if waiting else "The time of the cancelled alarms is over."


def _set(time: Time | None, context: Context) -> str:
    if time is None:
        raise OttoError("An alarm needs a time", 'say it again with one, such as "set an alarm for 7 am"')
    now = _now(context)
    when = time.next(now)
    said = f"{spoken.time(when)} {spoken.day(when, now)}"
    if any(item.when == when.astimezone() for item in context.scheduled()):
        return f"An alarm for {said} is already set."
    id = context.schedule(when.astimezone(), f"Your alarm for {spoken.time(when)}.", label=time)
    context.for_undo({"set": [id]})
    return f"Alarm set for {said}, in {spoken.duration((when.astimezone() - now.astimezone()).total_seconds())}."


def _list(context: Context) -> str:
    alarms = context.scheduled()
    if not alarms:
        return "No alarm is set."
    now = _now(context)
    moments = [item.when.astimezone(now.tzinfo) for item in alarms]
    said = spoken.listing([f"{spoken.time(when)} {spoken.day(when, now)}" for when in moments])
    return f"{len(alarms)} alarms are set: {said}." if len(alarms) > 1 else f"One alarm is set: {said}."


def _cancel(time: Time | None, context: Context) -> str:
    chosen = [item for item in context.scheduled() if time is None or item.label == time]
    if not chosen:
        return "No alarm is set." if time is None else f"No alarm is set for {_said(time)}."
    cancelled = [item for item in chosen if context.unschedule(item.id)]
    context.for_undo({"cancelled": [[item.when.isoformat(), item.text, item.label] for item in cancelled]})
    return f"Cancelled the alarm{'s' * (len(cancelled) > 1)} for {spoken.listing([_said(item.label) for item in cancelled])}."


def _said(label: str) -> str:
    """A time of day as it is read aloud: "07:30" as "7:30 AM"."""
    return spoken.time(datetime.strptime(label, "%H:%M"))


def _now(context: Context) -> datetime:
    """Now on the user's clock. Without a zone in the settings it is naive: the machine's own, right also across a change of
    daylight saving time."""
    zone = context.settings.get("timezone")
    return datetime.now(ZoneInfo(zone)) if zone else datetime.now()
