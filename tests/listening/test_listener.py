"""When Otto listens and what it does about what it hears: real sound through the end-pointer, real skills, given words."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from listening_room import OpenRoom, Room

from otto import scheduler
from otto.call import Call
from otto.listening.events import Ended, Ignored, Level, Partial, Said, State, StateChanged, Warned, Woken
from otto.listening.listener import ASLEEP_AFTER, Mode
from otto.messages import AudioFrame
from otto.registry import Registry

if TYPE_CHECKING:
    from otto.messages import Samples

class WakeAt:
    """Stands for the wake word: hears it at these seconds."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.resets = 0

    def push(self, frame: AudioFrame) -> str | None:
        if self.seconds and frame.start >= self.seconds[0]:
            self.seconds.pop(0)
            return "okay_nabu"
        return None

    def reset(self) -> None:
        self.resets += 1


class Mute:
    """Stands for the echo canceller: it takes all of the reply out, and leaves what a person says."""

    def clean(self, frame: AudioFrame) -> AudioFrame:
        return frame


class TestContinuous:
    def test_a_command_is_done_and_answered(self, room: OpenRoom) -> None:
        here = room()
        here.hears("set a timer for five minutes")
        assert here.calls == ['timer(duration="5 minutes")']
        assert here.mouth.said == ["Timer set for 5 minutes."]

    def test_stray_talk_is_neither_done_nor_kept(self, room: OpenRoom) -> None:
        here = room()
        here.hears("the train was late again")
        assert here.calls == []
        assert here.mouth.said == []
        assert here.assistant.history.recent() == []
        assert here.events(Ignored) == [Ignored("the train was late again", "no command")]

    def test_what_is_not_recognised_is_left_alone(self, room: OpenRoom) -> None:
        here = room()
        here.hears(None)
        assert (here.calls, here.mouth.said) == ([], [])
        assert here.events(Ignored) == [Ignored("", "no words")]

    def test_a_command_is_read_before_the_silence_is_over(self, room: OpenRoom) -> None:
        here = room()
        here.hears("what time is it in london")
        assert here.hearing.helped == 1
        assert here.events(Partial) == [Partial("what time is it in london")]

    def test_a_quiet_time_ends_in_sleep_and_wake_up_ends_that(self, room: OpenRoom) -> None:
        here = room(asleep_after=3.0)
        here.quiet(4)
        here.hears("set a timer for five minutes")
        assert here.calls == []
        assert here.events(StateChanged)[-1].state is State.ASLEEP
        here.hears("wake up")
        here.hears("set a timer for five minutes")
        assert here.calls == ['timer(duration="5 minutes")']

    def test_talk_keeps_it_awake(self, room: OpenRoom) -> None:
        here = room(asleep_after=4.0)
        for _ in range(3):
            here.hears("what time is it in london", pause=2)
        assert len(here.calls) == 3

    def test_the_default_sleep_is_ten_minutes(self) -> None:
        assert ASLEEP_AFTER == 600

    def test_go_to_sleep(self, room: OpenRoom) -> None:
        here = room()
        here.hears("go to sleep")
        here.hears("set a timer for five minutes")
        assert (here.calls, here.events(StateChanged)[-1].state) == ([], State.ASLEEP)

    def test_enter_wakes(self, room: OpenRoom) -> None:
        here = room()
        here.hears("go to sleep")
        here.listener.press()
        here.hears("set a timer for five minutes")
        assert here.calls == ['timer(duration="5 minutes")']
        assert here.events(Woken) == [Woken("Enter")]


class TestWakeWord:
    def test_without_it_nothing_is_recognised(self, room: OpenRoom) -> None:
        here = room(Mode.WAKE, wake=WakeAt())
        here.hears("set a timer for five minutes")
        assert (here.calls, here.script.expected) == ([], [])
        assert {event.state for event in here.events(StateChanged)} == {State.WAITING}

    def test_it_opens_the_ears_for_one_command(self, room: OpenRoom) -> None:
        here = room(Mode.WAKE, wake=WakeAt(0.5))
        here.quiet(1)
        here.hears("what time is it in london", pause=8)
        here.hears("what time is it in tokyo")
        assert here.calls == ['timecheck(location="London")']
        assert here.events(Woken) == [Woken("okay_nabu")]

    def test_it_greets(self, room: OpenRoom) -> None:
        greeted = []
        here = room(Mode.WAKE, wake=WakeAt(0.5), ring=lambda name: greeted.append(name) or 0.5)
        here.quiet(1)
        assert greeted == ["wake"]

    def test_a_word_that_is_no_command_is_answered_by_a_chime(self, room: OpenRoom) -> None:
        rung: list[str] = []
        here = room(Mode.WAKE, wake=WakeAt(0.5), ring=lambda name: rung.append(name) or 0.5)
        here.quiet(1)
        here.hears("the train was late again")
        assert (rung, here.mouth.said) == (["wake", "error"], [])

    def test_it_rings_before_it_sleeps(self, room: OpenRoom) -> None:
        rung: list[str] = []
        here = room(ring=lambda name: rung.append(name) or 0.5)
        here.hears("go to sleep")
        assert rung == ["sleep"]

    def test_enter_in_the_middle_of_a_command_loses_nothing(self, room: OpenRoom) -> None:
        here = room(Mode.WAKE, wake=WakeAt(0.2))
        here.quiet(0.5)
        here.script.texts.append("what time is it in london")
        here.sound(here.speech[: len(here.speech) // 2])
        here.listener.press()
        here.sound(here.speech[len(here.speech) // 2 :])
        here.quiet(1.5)
        assert here.calls == ['timecheck(location="London")']

    def test_who_says_nothing_is_no_longer_heard_after_a_while(self, room: OpenRoom) -> None:
        here = room(Mode.WAKE, wake=WakeAt(0.5))
        here.quiet(9)
        here.hears("what time is it in london")
        assert here.calls == []

    def test_after_a_turn_only_talk_about_it_needs_no_wake_word(self, room: OpenRoom) -> None:
        here = room(Mode.WAKE, wake=WakeAt(0.5))
        here.quiet(1)
        here.hears("set a timer for five minutes")
        here.hears("set a timer for fifteen minutes")
        here.hears("undo that")
        assert here.calls == ['timer(duration="5 minutes")']
        assert scheduler.pending(here.assistant.dispatcher.database) == []
        assert here.events(Ignored) == [Ignored("set a timer for fifteen minutes", "no wake word")]

    def test_it_wakes_from_sleep(self, room: OpenRoom) -> None:
        here = room(Mode.WAKE, wake=WakeAt(0.5, 6.0))
        here.quiet(1)
        here.hears("go to sleep")
        assert here.events(StateChanged)[-1].state is State.ASLEEP
        here.quiet(4)
        here.hears("what time is it in london")
        assert here.calls == ['timecheck(location="London")']


class TestPushToTalk:
    def test_the_microphone_is_open_for_one_conversation(self, room: OpenRoom, speech: Samples) -> None:
        here = room(Mode.PUSH)
        here.script.texts.append("what time is it in london")
        samples = np.concatenate([speech, np.zeros(10 * 16000, np.int16)])
        frames = [AudioFrame(samples[at : at + 512], at / 16000) for at in range(0, len(samples) - 511, 512)]
        taken = []

        @contextmanager
        def microphone() -> Iterator[Iterator[AudioFrame]]:
            yield _settling(here, frames, taken)
            here.listener.stop()

        here.listener.press()
        here.listener.run(microphone)
        assert here.calls == ['timecheck(location="London")']
        assert len(speech) < 512 * len(taken) < len(speech) + 3 * 16000
        assert [event.microphone for event in here.events(StateChanged)][:2] == [False, True]
        assert here.events(StateChanged)[-1] == StateChanged(State.IDLE, microphone=False)
        assert here.events(Ended)[0].turns == 1


def _settling(here: Room, frames: list[AudioFrame], taken: list[AudioFrame]) -> Iterator[AudioFrame]:
    for frame in frames:
        taken.append(frame)
        yield frame
        here.settle()


class TestReplies:
    def test_speech_stops_a_reply(self, room: OpenRoom) -> None:
        here = room(echo=Mute())
        here.mouth.long = True
        here.hears("what time is it in london")
        assert here.mouth.speaking
        here.hears("stop")
        assert here.mouth.stops == 1
        assert here.calls == ['timecheck(location="London")']

    def test_without_an_echo_canceller_it_is_deaf_while_it_speaks(self, room: OpenRoom) -> None:
        here = room()
        here.mouth.long = True
        here.hears("what time is it in london")
        here.hears("set a timer for five minutes")
        assert here.calls == ['timecheck(location="London")']

    def test_what_was_said_before_the_reply_began_does_not_stop_it(self, room: OpenRoom) -> None:
        here = room(echo=Mute())
        here.sound(here.speech)
        here.mouth.long = True
        here.conversation.announce("Your timer ran out.")
        here.quiet(1.5)
        assert (here.mouth.speaking, here.mouth.stops) == (True, 0)

    def test_repeat_that(self, room: OpenRoom) -> None:
        here = room()
        here.hears("set a timer for five minutes")
        here.hears("say that again")
        assert here.mouth.said == ["Timer set for 5 minutes."] * 2

    def test_stop_is_a_word_like_others_where_nothing_is_under_way(self, room: OpenRoom) -> None:
        here = room()
        here.hears("stop")
        assert here.mouth.stops == 0
        assert here.events(Ignored) or here.calls


class TestCorrection:
    def test_no_i_said(self, room: OpenRoom) -> None:
        here = room()
        here.hears("set a timer for fifteen minutes")
        here.hears("no I said fifty minutes")
        assert here.calls == ['timer(duration="15 minutes")', 'timer(duration="50 minutes")']
        assert [text.split()[0] for text in here.mouth.said] == ["Timer", "Timer"]
        assert here.assistant.history.corrections() == [("set a timer for fifteen minutes", Call("timer", {"duration": "50 minutes"}))]
        assert here.assistant.history.recent()[-1].undone

    def test_what_fits_nowhere_is_said(self, room: OpenRoom) -> None:
        here = room()
        here.hears("set a timer for fifteen minutes")
        here.hears("no I said banana")
        assert here.mouth.said[-1] == "I cannot tell what banana is to replace; say the whole command again."
        assert len(here.calls) == 1


class TestTrouble:
    def test_a_hole_in_the_sound_drops_the_sentence(self, room: OpenRoom, speech: Samples) -> None:
        here = room()
        here.script.texts.append("set a timer for five minutes")
        here.sound(speech[: len(speech) // 2])
        here.lose(3)
        here.sound(speech[len(speech) // 2 :][:4000])
        here.quiet(2)
        here.hears("what time is it in london")
        assert "timer" not in " ".join(here.calls)

    def test_an_engine_that_breaks_is_told_of_and_listening_goes_on(self, room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
        here = room()
        real, broken = here.script.transcribe, [True]

        def breaks(*arguments: object) -> object:
            if broken:
                raise RuntimeError("tensor shapes differ")
            return real(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(here.script, "transcribe", breaks)
        here.hears("what time is it in tokyo")
        broken.clear()
        here.hears("what time is it in london")
        assert "tensor shapes differ" in here.events(Warned)[0].sentence
        assert here.calls[-1].startswith("timecheck")

    def test_levels_are_shown(self, room: OpenRoom) -> None:
        here = room()
        here.quiet(1)
        assert all(-100 <= event.decibels < -60 for event in here.events(Level))
        assert len(here.events(Level)) == 10


def test_nothing_is_said_twice(room: OpenRoom) -> None:
    here = room()
    here.hears("set a timer for five minutes")
    here.hears("read my notes")
    assert here.mouth.said == ["Timer set for 5 minutes.", "There are no notes."]
    assert here.events(Said) == []


SKILL = '''
from otto import Context, skill


@skill(examples={"wipe the board": "wipe()"}, destructive=True, confirm="Wipe the whole board?")
def wipe() -> str:
    """Wipe the board."""
    return "Wiped."


@skill(examples={"name the cat": "name_cat()"})
def name_cat(context: Context) -> str:
    """Give the cat a name."""
    return f"The cat is called {context.ask('What is its name?')}."
'''


class TestQuestions:
    @pytest.fixture
    def asking(self, room: OpenRoom, tmp_path: Path) -> Room:
        folder = tmp_path / "skills"
        folder.mkdir()
        (folder / "board.py").write_text(SKILL, encoding="utf-8")
        own = Registry.from_folder(folder)
        own.install()
        return room(Mode.WAKE, wake=WakeAt(0.2), registry=own)

    @pytest.mark.parametrize(("answer", "reply"), [("yes please", "Wiped."), ("no", "Okay, nothing was done."), ("never mind", "Okay, nothing was done.")])
    def test_a_confirmation_by_voice_needs_no_wake_word(self, asking: Room, answer: str, reply: str) -> None:
        asking.quiet(0.5)
        asking.hears("wipe the board")
        assert asking.mouth.said == ["Wipe the whole board?"]
        asking.hears(answer)
        assert asking.mouth.said[1:] == [reply]
        grammar = asking.script.expected[-1]
        assert grammar
        assert {"yes", "no", "mind"} <= set(grammar.words)

    def test_silence_is_no(self, asking: Room) -> None:
        asking.quiet(0.5)
        asking.hears("wipe the board")
        asking.quiet(9)
        assert asking.mouth.said[1:] == ["Okay, nothing was done."]

    def test_what_is_neither_is_asked_again(self, asking: Room) -> None:
        asking.quiet(0.5)
        asking.hears("wipe the board")
        asking.hears("purple")
        asking.hears("yes")
        assert asking.mouth.said == ["Wipe the whole board?", "Please say yes or no. Wipe the whole board?", "Wiped."]

    def test_what_had_begun_before_the_question_is_no_answer(self, asking: Room) -> None:
        half = len(asking.speech) // 2
        answers: list[str | None] = []
        asking.quiet(0.5)
        asking.script.texts.append("yes")
        asking.sound(asking.speech[:half])
        thread = threading.Thread(target=lambda: answers.append(asking.conversation.ask("Which one?")))
        thread.start()
        while asking.conversation.question is None:
            asking.quiet(0.032)
        asking.sound(asking.speech[half:])
        asking.quiet(1.5)
        assert answers == []
        asking.hears("Tiger")
        thread.join(20)
        assert answers == ["Tiger"]

    def test_of_two_questions_at_once_none_waits_for_ever(self, asking: Room) -> None:
        answers: list[str | None] = []
        asking.quiet(0.5)
        threads = [threading.Thread(target=lambda: answers.append(asking.conversation.ask("Which one?"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        while not answers:
            asking.quiet(0.032)
        asking.hears("Tiger")
        for thread in threads:
            thread.join(20)
        assert answers == [None, "Tiger"]

    def test_without_a_microphone_a_question_ends_and_turns_are_told(self, asking: Room) -> None:
        answers: list[str | None] = []
        thread = threading.Thread(target=lambda: answers.append(asking.conversation.ask("Which one?")))
        thread.start()
        while not answers:
            asking.listener.wait()
        thread.join(20)
        assert (answers, asking.mouth.said) == ([None], ["Which one?"])
        assert asking.events(StateChanged)[-1].microphone is False

    def test_a_skill_asks(self, asking: Room) -> None:
        asking.quiet(0.5)
        asking.hears("name the cat")
        asking.hears("Tiger")
        assert asking.mouth.said == ["What is its name?", "The cat is called Tiger."]

    def test_who_is_not_understood_twice_is_not_asked_a_third_time(self, asking: Room) -> None:
        asking.quiet(0.5)
        asking.hears("name the cat")
        asking.hears(None)
        asking.hears(None)
        assert asking.mouth.said == ["What is its name?", "Sorry, I did not get that. What is its name?", "Okay, nothing was done."]

    def test_the_doubtful_word_is_asked_about(self, room: OpenRoom) -> None:
        here = room()
        here.script.confidence = 0.6
        here.hears("set a timer for fifteen minutes")
        assert here.mouth.said == ["Set a timer for fifteen or fifty minutes?"]
        here.script.confidence = 1.0
        here.hears("fifty")
        assert here.calls == ['timer(duration="50 minutes")']


HARD = '''
from otto import Context, skill


@skill(examples={"count the stars": "count_stars()"}, read_only=True, deadline=60)
def count_stars(context: Context) -> str:
    """Count the stars."""
    context.cancelled.wait(50)
    return "There are many."


@skill(examples={"paint the fence": "paint()"}, deadline=60)
def paint(context: Context) -> str:
    """Paint the fence, plank by plank."""
    context.store["planks"] = 1
    context.say("One plank.")
    context.cancelled.wait(50)
    context.say("Two planks.")
    return "Painted."


@skill(examples={"wipe the board": "wipe()"}, destructive=True, confirm="Wipe the whole board?", deadline=60)
def wipe() -> str:
    """Wipe the board."""
    return "Wiped."
'''


class TestNeverMind:
    """What is said while a skill works."""

    @pytest.fixture
    def working(self, room: OpenRoom, tmp_path: Path) -> Room:
        folder = tmp_path / "skills"
        folder.mkdir()
        (folder / "stars.py").write_text(HARD, encoding="utf-8")
        own = Registry.from_folder(folder)
        own.install()
        return room(registry=own)

    @pytest.mark.parametrize("words", ["never mind", "stop"])
    def test_it_ends_a_skill_that_only_reads(self, working: Room, words: str) -> None:
        working.says("count the stars")
        working.says(words)
        working.settle()
        assert working.mouth.said == ["Okay, nothing was done."]
        assert working.calls == ["count_stars()"]

    def test_what_may_have_had_an_effect_is_not_denied(self, working: Room) -> None:
        working.says("paint the fence")
        while not working.mouth.said:
            time.sleep(0.01)
        working.says("never mind")
        working.settle()
        assert working.mouth.said == ["One plank.", "Okay, paint was stopped; what it had done by then stays done."]

    def test_what_was_to_follow_is_not_begun(self, working: Room) -> None:
        working.says("paint the fence")
        working.says("count the stars")
        working.says("never mind")
        working.settle()
        assert working.calls == ["paint()"]
        assert not working.conversation.busy

    def test_the_next_command_is_done(self, working: Room) -> None:
        working.says("count the stars")
        working.says("never mind")
        working.settle()
        working.hears("wipe the board")
        working.hears("yes")
        assert working.mouth.said[1:] == ["Wipe the whole board?", "Wiped."]
