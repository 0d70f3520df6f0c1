"""What `otto listen` shows: the line that moves fits its terminal, and lines that end in a log keep nobody's talk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from otto.cli.listen_views import LiveView, PlainView
from otto.listening.events import Ignored, Level, Partial, State, StateChanged

LONG = "set a timer for five minutes and then tell me what the weather will be in berlin tomorrow morning"


def line(view: LiveView, width: int) -> str:
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get().rstrip("\n")


def showing(*events: object) -> LiveView:
    view = LiveView()
    for event in events:
        view.show(event)  # type: ignore[arg-type]
    return view


def test_the_state_is_there_in_a_wide_terminal() -> None:
    view = showing(StateChanged(State.WAITING, microphone=True), Level(-30.0))
    assert line(view, 80) == "● mic open  ▮▮▮▮▮▮▮▮▮▮▮▮▯▯▯▯▯▯▯▯▯▯▯▯  waiting for the wake word"


@pytest.mark.parametrize(
    ("width", "shown"),
    [(41, "● mic open  ▮▯  waiting for the wake word"), (39, "● mic open  waiting for the wake word"), (20, "● mic open  waiting…")],
)
def test_the_meter_gives_way_in_a_narrow_one(width: int, shown: str) -> None:
    assert line(showing(StateChanged(State.WAITING, microphone=True), Level(-30.0)), width) == shown


def test_of_many_words_the_last_are_seen() -> None:
    view = showing(StateChanged(State.HEARING, microphone=True), Partial(LONG))
    assert line(view, 60) == "● mic open  hearing you  “…ll be in berlin tomorrow morning”"
    assert line(view, 200).endswith(f"“{LONG}”")


@given(st.integers(1, 200), st.sampled_from(State), st.text(max_size=200), st.floats(-100, 0))
def test_it_is_one_line_that_fits(width: int, state: State, words: str, level: float) -> None:
    shown = line(showing(StateChanged(state, microphone=True), Level(level), Partial(words)), width)
    assert "\n" not in shown
    assert Console().render_str(shown, markup=False, highlight=False).cell_len <= width


def test_no_line_of_a_log_has_words_that_were_not_meant_for_otto(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    view.show(Ignored("my sister is getting divorced", "no wake word"))
    assert capsys.readouterr().err == "Not for Otto (no wake word)\n"
