"""What `otto listen` shows: a live screen, plain lines for logs and screen readers, or JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from otto.cli.output import LABEL_WIDTH, emit, heard_json, heard_lines, note, plain, show_heard
from otto.listening.events import Announced, Ended, Event, Ignored, Level, Partial, Said, State, StateChanged, TurnDone, Warned, Woken

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

METER = 24  # characters, where the terminal is wide enough
_BESIDE = 39  # characters of the line beside the meter, at most
_NARROW = 80  # characters of a line that has no room for the meter and the words
_QUIETEST = -60.0  # dBFS at the left end of the meter
_WORDS = {
    State.IDLE: "press Enter and speak",
    State.WAITING: "waiting for the wake word",
    State.ASLEEP: "asleep",
    State.LISTENING: "listening",
    State.HEARING: "hearing you",
    State.WORKING: "working",
    State.SPEAKING: "speaking",
    State.ASKING: "waiting for your answer",
}


class PlainView:
    """One line for each thing that happens; nothing moves. Turns go to the standard output, the rest beside it.

    What was not meant for Otto is told of without its words: lines such as these end in a log, which would keep what people say to each other.
    """

    def __init__(self) -> None:
        self._microphone = False

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, event: Event) -> None:
        if isinstance(event, TurnDone):
            show_heard(event.turn)
        elif line := _line(replace(event, text="") if isinstance(event, Ignored) else event):
            note(*line)
        if isinstance(event, StateChanged) and event.microphone != self._microphone:
            self._microphone = event.microphone
            note("Listening …" if event.microphone else "The microphone is closed. Press Enter and speak.")


class JsonView:
    """One JSON object a line on the standard output, its kind under "event". Levels and partial texts are left out."""

    def __enter__(self) -> JsonView:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, event: Event) -> None:
        if value := _json(event):
            emit(value)


class LiveView:
    """The turns, and below them one line that moves: whether the microphone is open, its level, and what is being heard."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._state: StateChanged = StateChanged(State.IDLE, microphone=False)
        self._level = _QUIETEST
        self._partial = ""
        self._keys = _unseen_keys()
        self._live = Live(self, console=Console(highlight=False), refresh_per_second=10, transient=True)

    def __enter__(self) -> LiveView:
        self._keys.__enter__()
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()
        self._keys.__exit__(None, None, None)

    def show(self, event: Event) -> None:
        if isinstance(event, Level):
            self._level = event.decibels
        elif isinstance(event, StateChanged):
            self._state, self._partial = event, ""
        elif isinstance(event, Partial):
            self._partial = event.text
        elif isinstance(event, TurnDone):
            for label, text, style in heard_lines(event.turn):
                self._print(label, text, style)
        elif line := _line(event):
            self._print("", *line)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._status(options.max_width)

    def _print(self, label: str, text: str, style: str) -> None:
        from rich.text import Text

        known = {"dim": "dim", "bold": "bold", "good": "green", "bad": "red", "": ""}
        self._live.console.print(Text(f"  {label:<{LABEL_WIDTH}}{plain(text)}", style=known[style]))

    def _status(self, width: int) -> Text:
        """One line of at most so many characters: the meter gives way first, and of the words the last ones are kept."""
        from rich.text import Text

        state, microphone = self._state.state, self._state.microphone
        meter = 0 if self._partial and width < _NARROW else max(0, min(METER, width - _BESIDE))
        filled = round(meter * min(max(1 - self._level / _QUIETEST, 0.0), 1.0)) if microphone else 0
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append("● " if microphone else "○ ", style="bold red" if microphone else "dim")
        line.append("mic open  " if microphone else "mic closed  ", style="" if microphone else "dim")
        line.append("▮" * filled, style="green")
        line.append("▯" * (meter - filled), style="dim")
        line.append("  " * bool(meter) + _WORDS[state], style="bold")
        room = width - line.cell_len - 4
        if self._partial and room > 0:
            words = " ".join(plain(self._partial).split())
            line.append(f"  “{words if len(words) <= room else '…' + words[len(words) - room + 1 :]}”", style="italic")
        return line


@contextmanager
def _unseen_keys() -> Iterator[None]:
    """The terminal does not show what is typed: an Enter would leave a copy of the line that moves."""
    if sys.platform == "win32" or not (sys.stdin and sys.stdin.isatty()):
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin.fileno())
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)


def _line(event: Event) -> tuple[str, str] | None:
    """An event as a sentence and its style; None where a line would say too much."""
    if isinstance(event, Announced):
        return f"♪ {event.text}", "bold"
    if isinstance(event, Said):
        return f"Otto: {event.text}", ""
    if isinstance(event, Warned):
        return event.sentence, "bad"
    if isinstance(event, Woken):
        return f"Woken by: {event.word}", "dim"
    if isinstance(event, Ignored):
        return f"Not for Otto ({event.reason})" + (f': "{event.text}"' if event.text else ""), "dim"
    if isinstance(event, Ended):
        return _summary(event), "dim"
    if isinstance(event, StateChanged) and event.state is State.ASLEEP:
        return "Asleep. Say the wake word, or “wake up”, or press Enter.", "dim"
    return None


def _summary(event: Ended) -> str:
    read = event.helped + event.wasted
    helped = f"; reading ahead helped {event.helped} of {read} times" if read else ""
    lost = f"; sound was lost {event.overflows} times, for this machine was too busy" if event.overflows else ""
    return f"{event.turns} turn{'' if event.turns == 1 else 's'}{helped}{lost}."


def _json(event: Event) -> dict[str, Any] | None:
    if isinstance(event, Level | Partial):
        return None
    kind = {"event": _kind(event)}
    if isinstance(event, TurnDone):
        return {**kind, **heard_json(event.turn), "seconds": round(event.seconds, 3), "early": event.early}
    if isinstance(event, StateChanged):
        return {**kind, "state": event.state.value, "microphone": event.microphone}
    return {**kind, **asdict(event)}


def _kind(event: Event) -> str:
    """ "turn" of TurnDone, "state" of StateChanged, else the name of the class."""
    return {"TurnDone": "turn", "StateChanged": "state"}.get(type(event).__name__, type(event).__name__.lower())
