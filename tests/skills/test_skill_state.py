"""Timers, alarms and notes: kept in the database, over restarts and kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from desk import Desk

from otto.scheduler import announcement, due, pending

UTC = timezone.utc


def test_a_timer_is_announced_once_when_it_runs_out(desk: Desk) -> None:
    assert desk.says('timer(duration="five minutes")') == "Timer set for 5 minutes."
    assert due(desk.database, datetime.now(UTC) + timedelta(minutes=4, seconds=50)) == []
    (timer,) = due(desk.database, datetime.now(UTC) + timedelta(minutes=5))
    assert timer.text == "Your timer for 5 minutes ran out."
    assert due(desk.database, datetime.now(UTC) + timedelta(minutes=6)) == []
    assert announcement(timer, timer.when + timedelta(minutes=3)) == "Your timer for 5 minutes ran out. That was 3 minutes ago."


def test_a_timer_can_be_taken_back(desk: Desk) -> None:
    result = desk.run('timer(duration="5 minutes")')
    assert desk.dispatcher.undo("timer", result.undo).speech == "The timer is cancelled."
    assert desk.dispatcher.undo("timer", result.undo).speech == "That timer has already run out."
    assert pending(desk.database) == []


@pytest.mark.parametrize("said", ["a while", "0 seconds", "minus five minutes", "eleven years", "bananas", "5"])
def test_a_timer_needs_a_real_duration(desk: Desk, said: str) -> None:
    assert not desk.run(f'timer(duration="{said}")').ok
    assert pending(desk.database) == []


def test_several_timers_are_listed_with_what_is_left_and_cancelled(desk: Desk) -> None:
    assert desk.says('timers(action="list")') == "No timer is running."
    assert desk.says('timers(action="cancel")') == "No timer is running."
    for duration in ("2 hours", "10 minutes", "1 day 3 hours"):
        desk.says(f'timer(duration="{duration}")')
    listed = desk.says('timers(action="list")')
    assert listed.startswith("3 timers are running: 10 minutes with ")
    assert listed.index("10 minutes with") < listed.index("2 hours with") < listed.index("1 day 3 hours with")
    cancelled = desk.run('timers(action="cancel")')
    assert cancelled.speech == "Cancelled the timer for 10 minutes, the timer for 2 hours and the timer for 1 day 3 hours."
    assert desk.says('timers(action="list")') == "No timer is running."
    assert desk.dispatcher.undo("timers", cancelled.undo).speech == "3 timers are running again."
    assert desk.says('timers(action="list")').startswith("3 timers are running: 10 minutes with ")
    assert desk.says('timers(action="cancel")').startswith("Cancelled the timer for 10 minutes")  # its own ones too


def test_what_is_left_is_said_in_words(desk: Desk) -> None:
    desk.says('timer(duration="90 seconds")')
    assert desk.says('timers(action="list")') in {
        f"1 timer is running: 1 minute 30 seconds with {left} left." for left in ("1 minute 30 seconds", "1 minute 29 seconds", "1 minute 28 seconds")
    }


KILLED = """
import sys, time
from otto import Call
from otto.config import load_settings
from otto.dispatch import Dispatcher
from otto.registry import Registry

dispatcher = Dispatcher.open(Registry.load(entry_points=False), load_settings())
for call in sys.argv[1:]:
    assert dispatcher.run(Call.parse(call)).ok, call
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a thing of POSIX")
def test_everything_survives_kill_9(desk: Desk) -> None:
    calls = ['timer(duration="5 minutes")', 'notes(action="add", note="buy milk")', 'alarm(action="set", time="07:30")']
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *calls], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)})
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert desk.says('notes(action="list")') == "1 note: buy milk."
    assert desk.says('timers(action="list")').startswith("1 timer is running: 5 minutes with ")
    assert desk.says('alarm(action="list")').startswith("One alarm is set: 7:30 AM ")
    later = datetime.now(UTC) + timedelta(days=2)  # as if otto had been down when they were due
    assert {item.text for item in due(desk.database, later)} == {"Your timer for 5 minutes ran out.", "Your alarm for 7:30 AM."}
    assert due(desk.database, later) == []


def test_an_alarm_rings_at_the_next_such_time_on_the_users_clock(desk: Desk) -> None:
    desk.configure('[user]\ntimezone = "Asia/Tokyo"\n')
    assert desk.says('alarm(action="set", time="seven am")').startswith("Alarm set for 7:00 AM ")
    (alarm,) = pending(desk.database, "alarm")
    in_tokyo = alarm.when.astimezone(timezone(timedelta(hours=9)))
    assert (in_tokyo.hour, in_tokyo.minute, in_tokyo.second) == (7, 0, 0)
    assert timedelta(0) < alarm.when - datetime.now(UTC) <= timedelta(days=1)


def test_alarms_are_listed_cancelled_and_set_again(desk: Desk) -> None:
    assert desk.says('alarm(action="list")') == "No alarm is set."
    assert desk.fails('alarm(action="set")') == 'An alarm needs a time; say it again with one, such as "set an alarm for 7 am".'
    desk.says('alarm(action="set", time="7:00")')
    desk.says('alarm(action="set", time="half past six in the evening")')
    assert "is already set" in desk.says('alarm(action="set", time="7 am")')
    assert desk.says('alarm(action="list")').startswith("2 alarms are set: ")
    assert desk.says('alarm(action="cancel", time="9:00")') == "No alarm is set for 9:00 AM."
    one = desk.run('alarm(action="cancel", time="18:30")')
    assert one.speech == "Cancelled the alarm for 6:30 PM."
    assert desk.dispatcher.undo("alarm", one.undo).speech == "The alarms are set again."
    assert desk.says('alarm(action="cancel")').startswith("Cancelled the alarms for ")
    assert desk.says('alarm(action="cancel")') == "No alarm is set."
    assert pending(desk.database) == []


def test_undo_removes_the_alarm_that_was_set(desk: Desk) -> None:
    result = desk.run('alarm(action="set", time="07:00")')
    assert desk.dispatcher.undo("alarm", result.undo).speech == "The alarm is cancelled."
    assert desk.says('alarm(action="list")') == "No alarm is set."


def test_notes_are_read_newest_first(desk: Desk) -> None:
    assert desk.says('notes(action="list")') == "There are no notes."
    assert desk.says('notes(action="add", note="buy milk")') == "Noted: buy milk"
    desk.says('notes(action="add", note="call Ann.")')
    assert desk.says('notes(action="list")') == "2 notes: call Ann. buy milk."


def test_the_reading_of_notes_is_bounded(desk: Desk) -> None:
    for number in range(25):
        desk.says(f'notes(action="add", note="thought {number}")')
    said = desk.says('notes(action="list")')
    assert said.startswith("25 notes: thought 24. thought 23.")
    assert said.endswith("thought 15. And 15 older ones.")


def test_a_note_can_be_taken_back_and_holds_any_text(desk: Desk) -> None:
    odd = 'it\'s 5" — “✓” \\ {x} %s 🎉'
    result = desk.run(f'notes(action="add", note={json.dumps(odd, ensure_ascii=False)})')
    assert result.speech == f"Noted: {odd}"
    assert desk.dispatcher.undo("notes", result.undo).speech == f"Removed the note: {odd}"
    assert desk.dispatcher.undo("notes", result.undo).speech == "That note is already gone."
    assert desk.says('notes(action="list")') == "There are no notes."


def test_an_empty_note_is_refused(desk: Desk) -> None:
    assert desk.fails('notes(action="add")').startswith("There is nothing to write down; say it again with the words")
    assert desk.fails('notes(action="add", note="  ")').startswith("There is nothing to write down")


def test_other_does_nothing(desk: Desk) -> None:
    result = desk.run("other()")
    assert (result.speech, result.ok) == ("", False)
