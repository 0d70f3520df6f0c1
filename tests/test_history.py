"""The history keeps turns as they went."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otto.call import Call
from otto.errors import SkillFailed
from otto.history import Entry, History
from otto.messages import NotRecognized, Result, Route, Transcript, Turn
from otto.store import Database

TIMER = Call("timer", {"duration": "5 minutes"})
NEWS = Call("news", {"topic": 'the "moon"'})


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(Database(tmp_path / "otto.db"))


def turn(text: str = "set a timer", *results: Result, calls: tuple[Call, ...] = (TIMER,)) -> Turn:
    route = Route(text, calls, 0.75, "embedded", 12.5, alternatives=((NEWS, 0.25),), timings={"tagger": 1.5})
    return Turn(Transcript(text, "whisper", 80.0), route, results, {"stt": 80.0, "route": 12.5})


def test_a_turn_comes_back_as_it_went(history: History) -> None:
    at = datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
    id = history.add(turn("set a timer", Result(TIMER, "Timer set.", True, 3.0, undo={"id": 7})), at, audio="a.wav")
    assert history.last() == Entry(
        id=id,
        at=at,
        heard="set a timer",
        stt_engine="whisper",
        route={
            "calls": ['timer(duration="5 minutes")'],
            "confidence": 0.75,
            "engine": "embedded",
            "ms": 12.5,
            "timings": {"tagger": 1.5},
        },
        call='timer(duration="5 minutes")',
        result="Timer set.",
        ok=True,
        timings={"stt": 80.0, "route": 12.5},
        alternatives=((str(NEWS), 0.25),),
        undo=(("timer", {"id": 7}),),
        audio="a.wav",
    )


def test_what_was_not_recognised_has_its_reason_and_no_route(history: History) -> None:
    history.add(Turn(NotRecognized("silence", "closed", 9.0), None, timings={"stt": 9.0}))
    entry = history.last()
    assert entry is not None
    assert (entry.heard, entry.reason, entry.route, entry.call, entry.result, entry.ok) == (
        "",
        "silence",
        None,
        None,
        None,
        None,
    )


def test_several_calls_are_one_turn(history: History) -> None:
    failed = SkillFailed("The news failed", "try later")
    history.add(
        turn(
            "both",
            Result(TIMER, "Set.", True, 1.0, undo=1),
            Result(NEWS, str(failed), False, 1.0, failed),
            calls=(TIMER, NEWS),
        )
    )
    entry = history.last()
    assert entry is not None
    assert (entry.call, entry.result, entry.ok) == (f"{TIMER}; {NEWS}", "Set. The news failed; try later.", False)
    assert entry.undo == (("timer", 1),)


def test_recent_is_newest_first(history: History) -> None:
    assert (history.recent(), history.last()) == ([], None)
    ids = [history.add(turn(text)) for text in "abc"]
    assert [(entry.id, entry.heard) for entry in history.recent(2)] == [(ids[2], "c"), (ids[1], "b")]
    assert history.recent(0) == history.recent(-1) == []


def test_undo_finds_the_newest_that_left_something(history: History) -> None:
    first = history.add(turn("a", Result(TIMER, "Set.", True, 1.0, undo=1)))
    second = history.add(turn("b", Result(TIMER, "Set.", True, 1.0, undo=0)))
    history.add(turn("c", Result(NEWS, "News.", True, 1.0)))
    for expected in (second, first):
        entry = history.undoable()
        assert entry is not None
        assert entry.id == expected
        assert history.mark_undone(expected)
        assert not history.mark_undone(expected)
    assert history.undoable() is None
    assert not history.mark_undone(99)


def test_corrections_are_training_data(history: History) -> None:
    first, second = history.add(turn("set a time")), history.add(turn("what was that"))
    unheard = history.add(Turn(NotRecognized("silence", "closed", 9.0), None))
    assert history.correct(second, Call("other"))
    assert history.correct(first, NEWS)
    assert history.correct(first, TIMER), "the last word counts"
    assert history.correct(unheard, TIMER)
    assert not history.correct(99, TIMER)
    assert history.corrections() == [("set a time", TIMER), ("what was that", Call("other"))]
    assert [entry.correction for entry in history.recent()] == [TIMER, Call("other"), TIMER]


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_words_are_kept(tmp_path_factory: pytest.TempPathFactory, heard: str, said: str) -> None:
    history = History(Database(tmp_path_factory.getbasetemp() / "words.db"))
    id = history.add(turn(heard, Result(TIMER, said, True, 1.0)))
    entry = history.last()
    assert entry is not None
    assert (entry.id, entry.heard, entry.result) == (id, heard, said)


def test_half_characters_from_a_command_line_are_kept_as_question_marks(history: History) -> None:
    history.add(turn("caf\udce9"))
    entry = history.last()
    assert entry is not None
    assert entry.heard == "caf?"
