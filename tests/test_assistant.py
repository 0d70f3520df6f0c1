"""The assistant: one turn after another, each kept, none of them its last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import wave
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from otto import Call, scheduler
from otto.assistant import Assistant, fix_last, undo_last
from otto.config import load_settings
from otto.dispatch import Dispatcher, SilentHost
from otto.errors import InvalidCall, OttoError, UnknownSkill, UsageError
from otto.history import History
from otto.messages import NotRecognized, Route, SpeechGrammar, Transcript, Utterance
from otto.registry import Registry
from otto.store import Database

ROOT = Path(__file__).parent.parent
OTHER = (Call("other"),)
SKILLS = '''
import time
from otto import Context, skill

@skill
def other() -> None:
    """No skill fits."""

@skill(undo="forget")
def note(text: str, context: Context) -> str:
    """Take a note."""
    notes = context.store.get("notes", [])
    context.store["notes"] = [*notes, text]
    context.for_undo(notes)
    return f"Noted: {text}."

def forget(context):
    context.store["notes"] = context.undo_value
    return "Forgotten."

@skill
def slow(context: Context) -> str:
    """Store something, and take long."""
    context.store["stored"] = True
    context.say("stored")
    time.sleep(60)

@skill
def broken() -> str:
    """Fail."""
    raise ValueError("no")
'''


class PhraseTable:
    """A router that knows some sentences by heart."""

    name = "table"

    def __init__(self, **calls: str) -> None:
        self.calls = {text.replace("_", " "): call for text, call in calls.items()}
        self.updates = 0

    def route(self, text: str) -> Route:
        call = self.calls.get(text)
        return Route(text, Call.parse_all(call) if call else OTHER, 0.9, self.name, 1.5)

    def update(self, registry: Registry) -> None:
        self.updates += 1


class Ears:
    """A speech engine that always hears the same."""

    def __init__(self, heard: Transcript | NotRecognized) -> None:
        self.heard = heard

    def partial(self, utterance: Utterance) -> str:
        heard = self.transcribe(utterance)
        return heard.text if isinstance(heard, Transcript) else ""

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        return self.heard


class Home:
    def __init__(self, home: Path, config: str = "", heard: Transcript | NotRecognized | None = None) -> None:
        (home / "skills").mkdir()
        (home / "skills" / "mine.py").write_text(SKILLS)
        (home / "config.toml").write_text(config)
        self.folder = home
        self.warnings: list[str] = []
        self.settings = load_settings(environ={"OTTO_HOME": str(home)})
        self.registry = Registry.from_folder(home / "skills")
        self.database = Database(home / "data" / "otto.db", self.warnings.append)
        self.history = History(self.database)
        self.dispatcher = Dispatcher(self.registry, SilentHost(), self.database, self.settings)
        self.router = PhraseTable(
            note_milk='note(text="milk")',
            two_things='note(text="one"); note(text="two")',
            one_fails='broken(); note(text="after")',
            wave='wave(hand="left")',
            slow="slow()",
        )
        self.opened: list[int] = []  # with how many skills the speech engine was opened

        def open_ears(registry: Registry) -> Ears:
            assert heard
            self.opened.append(len(registry))
            return Ears(heard)

        self.assistant = Assistant(
            self.settings,
            self.registry,
            self.router,
            self.dispatcher,
            self.history,
            open_ears if heard else None,
            self.warnings.append,
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


UTTERANCE = Utterance(np.array([0, 1000, -1000, 32767], np.int16), vad_ms=4.0)


def test_a_typed_command(home: Home) -> None:
    turn = home.assistant.say("  note milk ")
    assert turn.heard == Transcript("note milk", "typed", 0.0)
    assert turn.route is not None
    assert turn.route.calls == (Call("note", {"text": "milk"}),)
    assert [(result.speech, result.ok) for result in turn.results] == [("Noted: milk.", True)]
    assert turn.acted
    assert set(turn.timings) == {"route", "dispatch"}
    entry = home.history.last()
    assert entry is not None
    assert (entry.id, entry.heard, entry.stt_engine, entry.call, entry.result, entry.ok) == (
        turn.id,
        "note milk",
        "typed",
        'note(text="milk")',
        "Noted: milk.",
        True,
    )
    assert (entry.audio, home.warnings) == (None, [])


def test_a_dry_run_stops_before_the_skill_and_keeps_nothing(home: Home) -> None:
    turn = home.assistant.say("note milk", dry_run=True)
    assert turn.route is not None
    assert (turn.route.acts, turn.results, turn.id, turn.acted) == (True, (), None, False)
    assert not (home.folder / "data").exists()


def test_stray_talk_ends_in_other(home: Home) -> None:
    turn = home.assistant.say("i told him so yesterday")
    assert turn.route is not None
    assert (turn.route.calls, turn.acted) == (OTHER, False)
    assert [(result.speech, result.ok, result.error) for result in turn.results] == [("", False, None)]


def test_several_calls_run_in_order_and_one_failure_stops_no_other(home: Home) -> None:
    assert [result.speech for result in home.assistant.say("two things").results] == ["Noted: one.", "Noted: two."]
    first, second = home.assistant.say("one fails").results
    assert (first.ok, second.speech) == (False, "Noted: after.")


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_nothing_typed_is_nothing_recognised(home: Home, text: str) -> None:
    turn = home.assistant.say(text)
    assert turn.heard == NotRecognized("nothing was said", "typed", 0.0)
    assert (turn.route, turn.results) == (None, ())


def test_a_book_is_no_command(home: Home) -> None:
    with pytest.raises(UsageError, match="at most 2,000 characters and this has 2,001"):
        home.assistant.say("x" * 2001)


def test_half_characters_do_not_stop_a_turn(home: Home) -> None:
    assert home.assistant.say("caf\udce9").heard == Transcript("caf?", "typed", 0.0)


def test_a_spoken_command(tmp_path: Path) -> None:
    home = Home(tmp_path, heard=Transcript("note milk", "ears", 30.0, 0.8))
    turn = home.assistant.hear(UTTERANCE)
    assert [result.speech for result in turn.results] == ["Noted: milk."]
    assert {stage: turn.timings[stage] for stage in ("vad", "stt", "route")} == {"vad": 4.0, "stt": 30.0, "route": 1.5}
    assert not (home.folder / "data" / "audio").exists(), "no sound is kept unless it is asked for"


def test_speech_that_is_not_recognised_is_never_routed(tmp_path: Path) -> None:
    home = Home(tmp_path, heard=NotRecognized("outside the grammar", "ears", 30.0, heard="note milk"))
    turn = home.assistant.hear(UTTERANCE)
    assert (turn.route, turn.results) == (None, ())
    entry = home.history.last()
    assert entry is not None
    assert (entry.heard, entry.reason) == ("note milk", "outside the grammar")


def test_sound_is_kept_where_the_user_asks_for_it(tmp_path: Path) -> None:
    home = Home(tmp_path, "[audio]\nkeep = true\n", Transcript("note milk", "ears", 30.0))
    home.assistant.hear(UTTERANCE, dry_run=True)
    assert not (home.folder / "data" / "audio").exists()
    home.assistant.hear(UTTERANCE)
    entry = home.history.last()
    assert entry is not None
    assert entry.audio is not None
    with wave.open(entry.audio) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (16_000, 1)
        assert np.frombuffer(sound.readframes(9), "<i2").tolist() == UTTERANCE.samples.tolist()


def test_without_a_speech_engine(home: Home) -> None:
    with pytest.raises(OttoError, match="without a speech engine"):
        home.assistant.hear(UTTERANCE)


def test_a_skill_of_a_second_ago_can_be_called(home: Home) -> None:
    assert home.assistant.say("wave").results[0].speech == "There is no skill wave; see `otto skills list`."
    (home.folder / "skills" / "wave.py").write_text(
        "from otto import skill\n\n@skill\ndef wave(hand: str) -> str:\n"
        '    """Wave."""\n    return f"The {hand} waves."\n'
    )
    (home.folder / "skills" / "bad.py").write_text("def (")
    assert home.assistant.say("wave").results[0].speech == "The left waves."
    assert home.router.updates == 1
    assert len(home.warnings) == 1
    assert home.warnings[0].startswith("bad.py:1: ")
    home.assistant.say("wave")
    assert home.router.updates == 1


def test_the_speech_engine_learns_of_a_new_skill(tmp_path: Path) -> None:
    home = Home(tmp_path, heard=Transcript("note milk", "ears", 30.0))
    home.assistant.hear(UTTERANCE)
    (tmp_path / "skills" / "mine.py").write_text(SKILLS + '\n@skill\ndef more() -> None:\n    """More."""\n')
    home.assistant.hear(UTTERANCE)
    home.assistant.hear(UTTERANCE)
    assert home.opened == [4, 5]


def test_where_nothing_can_be_stored_the_skill_still_answers(home: Home) -> None:
    (home.folder / "skills" / "mine.py").write_text(
        'from otto import skill\n@skill\ndef note(text: str) -> str:\n    """Say it."""\n    return text\n'
    )
    data = home.folder / "data"
    data.rmdir() if data.is_dir() and not list(data.iterdir()) else None
    if data.exists():
        data.rename(home.folder / "moved")
    data.write_text("in the way")
    turn = home.assistant.say("note milk")
    assert (turn.results[0].speech, turn.id) == ("milk", None)
    assert len(home.warnings) == 1
    assert home.warnings[0].startswith(f"Otto cannot store anything in {data}")


def test_undo_takes_back_the_newest_first(home: Home) -> None:
    home.assistant.say("note milk")
    home.assistant.say("two things")
    home.assistant.say("i told him so")
    entry, results = undo_last(home.history, home.dispatcher)
    assert (entry.heard, [result.speech for result in results]) == ("two things", ["Forgotten.", "Forgotten."])
    assert _notes(home) == ["milk"]
    undo_last(home.history, home.dispatcher)
    assert _notes(home) == []
    with pytest.raises(UsageError, match="nothing to undo"):
        undo_last(home.history, home.dispatcher)


def test_an_undo_that_fails_can_be_tried_again(home: Home) -> None:
    home.assistant.say("note milk")
    (home.folder / "skills" / "mine.py").write_text(
        SKILLS.replace('context.store["notes"] = context.undo_value', "raise OSError('no')")
    )
    home.registry.refresh()
    assert not undo_last(home.history, home.dispatcher)[1][0].ok
    (home.folder / "skills" / "mine.py").write_text(SKILLS)
    home.registry.refresh()
    assert undo_last(home.history, home.dispatcher)[1][0].ok


def test_an_undo_that_fails_in_part_goes_on_where_it_failed(home: Home) -> None:
    home.assistant.say("two things")
    (home.folder / "skills" / "mine.py").write_text(
        SKILLS.replace('context.store["notes"] = context.undo_value', 'context.store["notes"] = context.undo_value or 1 / 0')
    )
    home.registry.refresh()
    assert [result.ok for result in undo_last(home.history, home.dispatcher)[1]] == [True, False]
    (home.folder / "skills" / "mine.py").write_text(SKILLS)
    home.registry.refresh()
    assert [result.speech for result in undo_last(home.history, home.dispatcher)[1]] == ["Forgotten."]
    assert _notes(home) == []


def test_fix_keeps_what_it_should_have_been(home: Home) -> None:
    with pytest.raises(UsageError, match="no command to correct"):
        fix_last(home.history, home.registry, Call("note", {"text": "x"}))
    home.assistant.say(" ")
    with pytest.raises(UsageError, match="no command to correct"):  # nothing was heard, so nothing could be learnt
        fix_last(home.history, home.registry, Call("note", {"text": "x"}))
    home.assistant.say("take down milk")
    entry, call = fix_last(home.history, home.registry, Call("note", {"text": " milk "}))
    assert (entry.heard, str(call)) == ("take down milk", 'note(text="milk")')
    assert home.history.corrections() == [("take down milk", call)]
    with pytest.raises(UnknownSkill):
        fix_last(home.history, home.registry, Call("absent"))
    with pytest.raises(InvalidCall):
        fix_last(home.history, home.registry, Call("note"))
    assert _notes(home) == [], "nothing is run"


def test_a_timer_that_ran_out_while_otto_was_down(home: Home) -> None:
    assert home.assistant.announcements() == []
    now = datetime.now(timezone.utc)
    scheduler.schedule(home.database, "timer", now - timedelta(minutes=3), "Your timer is up.")
    scheduler.schedule(home.database, "timer", now + timedelta(hours=1), "Not yet.")
    assert home.assistant.announcements() == ["Your timer is up. That was 3 minutes ago."]
    assert home.assistant.announcements() == []


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_kill_9_in_the_middle_of_a_skill(home: Home) -> None:
    """The turn before is kept, the next Otto works, and what the killed one had stored is there."""
    code = """
        import sys
        from pathlib import Path
        sys.path.insert(0, "tests")
        from test_assistant import Home
        home = Home(Path(sys.argv[1]))
        home.dispatcher._host.say = lambda text: print(text, flush=True)
        home.assistant.say("note milk")
        home.assistant.say("slow")
    """
    folder = home.folder / "other"
    folder.mkdir()
    otto = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert otto.stdout
    assert otto.stdout.readline() == "stored\n"
    os.kill(otto.pid, signal.SIGKILL)
    otto.communicate()
    database = Database(folder / "data" / "otto.db", home.warnings.append)
    assert [entry.heard for entry in History(database).recent()] == ["note milk"]
    from otto.store import SkillStore

    assert dict(SkillStore(database, "slow")) == {"stored": True}
    assert home.warnings == []


def _notes(home: Home) -> list[str]:
    from otto.store import SkillStore

    notes: list[str] = SkillStore(home.database, "note").get("notes", [])
    return notes
