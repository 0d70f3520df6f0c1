"""Home Assistant's intents as calls of Otto's bundled skills, and which calls it can express at all.

It knows timers, volume, the media player, and the time, date and weather of its own place. An intent that no skill of Otto's has (lights, locks,
shopping lists) is `other()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eval.peers.lesson import checked
from otto.call import Call
from otto.skill import OTHER, SkillSpec

Values = Mapping[str, str]


def expresses(call: Call) -> bool:
    """Whether Home Assistant has an intent for exactly this."""
    known = call.name in _SKILLS and not set(call.arguments) - set(_SKILLS[call.name])
    return call.name == OTHER or (known and call != Call("media", {"action": "stop"}))


def assist_call(specs: Mapping[str, SkillSpec], text: str, intent: str, values: Values) -> Call:
    """The call of an intent with what it captured."""
    make = _CALLS.get(intent)
    call = make(values) if make else None
    return checked(specs[call.name], call) if call and call.name in specs else Call(OTHER)


def _timer(values: Values) -> Call | None:
    if "conversation_command" in values:  # a command to be run later, which is no timer that rings
        return None
    parts = [f"{values[unit]} {unit}" for unit in ("hours", "minutes", "seconds") if unit in values]
    return Call("timer", {"duration": " ".join(parts)})


def _timers(action: str) -> Callable[[Values], Call | None]:
    """Only of all timers, or the one that runs: Otto's skill has no name for one of several."""
    return lambda values: None if values else Call("timers", {"action": action})


def _louder(values: Values) -> Call | None:
    step = values.get("volume_step", "")
    if step in ("up", "down"):
        return Call("volume", {"action": step})
    level = _whole(step)
    return None if level is None else Call("volume", {"action": "up" if level > 0 else "down", "level": abs(level)})


def _set_volume(values: Values) -> Call | None:
    level = _whole(values.get("volume_level", ""))
    return None if level is None else Call("volume", {"action": "set", "level": level})


def _whole(said: str) -> int | None:
    """hassil's numbers are floats."""
    try:
        return int(float(said))
    except ValueError:
        return None


def _plain(name: str, **arguments: Any) -> Callable[[Values], Call | None]:
    return lambda values: Call(name, arguments)


_SKILLS: Mapping[str, tuple[str, ...]] = {  # the parameters that it can express
    "timer": ("duration",),
    "timers": ("action",),
    "volume": ("action", "level"),
    "media": ("action",),
    "timecheck": (),
    "date": (),
    "weather": (),
}
_CALLS: Mapping[str, Callable[[Values], Call | None]] = {
    "HassStartTimer": _timer,
    "HassTimerStatus": _timers("list"),
    "HassCancelAllTimers": _timers("cancel"),
    "HassCancelTimer": _timers("cancel"),
    "HassSetVolume": _set_volume,
    "HassSetVolumeRelative": _louder,
    "HassMediaPlayerMute": _plain("volume", action="mute"),
    "HassMediaPlayerUnmute": _plain("volume", action="unmute"),
    "HassMediaPause": _plain("media", action="pause"),
    "HassMediaUnpause": _plain("media", action="play"),
    "HassMediaNext": _plain("media", action="next"),
    "HassMediaPrevious": _plain("media", action="previous"),
    "HassGetCurrentTime": _plain("timecheck"),
    "HassGetCurrentDate": _plain("date"),
    "HassGetWeather": _plain("weather"),
}
