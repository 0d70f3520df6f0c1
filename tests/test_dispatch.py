"""Dispatch: whatever a skill does, the user gets one sentence, the log an entry, and Otto lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from otto import Call, Context
from otto.config import load_settings
from otto.dispatch import Dispatcher, SilentHost
from otto.errors import InvalidCall, NotConfirmed, SkillFailed, SkillTimeout, UnknownSkill
from otto.messages import Result
from otto.registry import Registry
from otto.skill import SkillSpec, skill

ROOT = Path(__file__).parent.parent

SKILLS = '''
import asyncio, ctypes, os, re, signal, sys, time
from datetime import datetime, timedelta, timezone
from typing import Literal
from otto import Context, Duration, Number, OttoError, skill

@skill
def greet(name: str = "you", times: int = 1) -> str:
    """Greet somebody."""
    return f"Hello {name}! " * times

@skill
async def later(context: Context) -> str:
    """Answer from a coroutine."""
    await asyncio.sleep(0)
    return "Later."

@skill
def quiet() -> None:
    """Return nothing."""

@skill
def stream(context: Context) -> str:
    """Tell a story."""
    yield "Once upon "
    yield "a time. There was "
    yield "an end."

@skill
async def stream_later() -> str:
    """Tell a story from a coroutine."""
    yield "One. "
    yield "Two."

@skill
def gentle(kind: Literal["plain", "late"] = "plain") -> str:
    """Raise one of Otto's own errors."""
    raise OttoError("The kettle is empty", "fill it")

@skill
def nonsense(kind: Literal["int", "bytes", "list", "none piece", "huge", "endless"]) -> str:
    """Return what is no text."""
    if kind == "none piece":
        return iter(["a", None])
    if kind == "endless":
        def forever():
            while True:
                yield "x" * 1000
        return forever()
    return {"int": 5, "bytes": b"x", "list": ["x"], "huge": "x" * 200_000}[kind]

class Awkward(Exception):
    def __str__(self):
        raise RuntimeError("not even a text")

@skill
def fail(how: Literal["value", "long", "exit", "interrupt", "stop", "awkward", "recursion", "midway", "memory"]) -> str:
    """Raise something."""
    if how == "midway":
        return midway()
    if how == "recursion":
        return fail(how)
    raise {
        "value": ValueError("two\\nlines"),
        "long": ValueError("x" * 1000),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "stop": StopIteration(),
        "awkward": Awkward(),
        "memory": MemoryError(),
    }[how]

def midway():
    yield "It begins. "
    raise ValueError("halfway")

@skill(deadline=0.3)
def hang(how: Literal["sleep", "busy", "write", "stream"], context: Context) -> str:
    """Never end in time."""
    if how == "busy":
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            pass
    if how == "stream":
        return dribble()
    if how == "write":
        context.cancelled.wait(5)
        context.store["late"] = True
    time.sleep(0.6)
    context.say("I am late.")
    return "Too late."

def dribble():
    for _ in range(8):
        yield "Word. "
        time.sleep(0.1)

@skill(undo="unremember")
def remember(what: str, context: Context) -> str:
    """Remember something."""
    context.for_undo(context.store.get("what"))
    context.store["what"] = what
    return f"I had {context.undo_value}."

def unremember(context):
    context.store["what"] = context.undo_value
    return f"Back to {context.undo_value}."

@skill(undo="back")
class count:
    """Count the calls."""
    def __init__(self):
        self.number = 0
    def __call__(self, context: Context) -> str:
        self.number += 1
        context.for_undo(self.number)
        return f"{self.number}"
    def back(self, context):
        self.number -= 1
        return f"{self.number}"

@skill(destructive=True, confirm="Erase {what}, {how}?")
def erase(what: str, how: str = "for good") -> str:
    """Erase something."""
    return f"Erased {what}."

@skill(confirm="Really {what.nothing}?")
def misasked(what: str = "it") -> str:
    """Ask about what is not there."""
    return "Done it."

@skill
def talk(context: Context) -> str:
    """Use all of the context."""
    context.say("Working.")
    name = context.ask("Who are you?")
    sure = context.confirm("Sure?")
    id = context.schedule(datetime(2030, 1, 1, tzinfo=timezone.utc), "New year.", label="x")
    dropped = context.unschedule(context.schedule(datetime(2031, 1, 1, tzinfo=timezone.utc), "Never."))
    (item,) = context.scheduled()
    context.store.update(a=1, b=[2])
    del context.store["a"]
    missing = context.store.pop("a", "gone")
    year = item.when.astimezone(timezone.utc).year
    found = [name, sure, dropped, item.id == id, item.text, item.label, year, dict(context.store), missing]
    return " ".join(map(str, [*found, context.settings["units"], context.call]))

@skill(deadline=1.0)
def patient(context: Context) -> str:
    """Ask somebody who is slow to answer."""
    return context.ask("Take your time.")

@skill
def unstorable(context: Context) -> str:
    """Keep what is not JSON."""
    context.store["x"] = {1}
'''

DEADLY = '''
import ctypes, os, re, signal, subprocess, sys, time
from typing import Literal
from otto import Context, skill

@skill(deadline=60)
def die(how: Literal["kill", "exit", "crash", "fork"], context: Context) -> str:
    """Take the process down."""
    context.store["tried"] = how
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(4)
    if how == "fork":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)"])
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crash":
        ctypes.string_at(0)

@skill(deadline=2)
def hold() -> str:
    """Never let go of the interpreter."""
    print("this is not for the user")
    return str(re.match("(a+)+$", "a" * 60 + "b"))

@skill
def pid() -> str:
    """Say which process this is."""
    return str(os.getpid())
'''


class Person(SilentHost):
    """A user who says yes or no, and notes what was said."""

    def __init__(self, yes: bool = True, answer: str | None = "Ada", delay: float = 0.0) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.yes = yes
        self.answer = answer
        self.delay = delay

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str) -> str | None:
        self.asked.append(question)
        time.sleep(self.delay)
        return self.answer

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.yes


class Room:
    """A home with skills, a dispatcher and a person."""

    def __init__(self, home: Path, source: str, isolated: bool) -> None:
        self.home = home
        (home / "config.toml").write_text('[skills.talk]\nunits = "metric"\n')
        (home / "skills").mkdir()
        (home / "skills" / "mine.py").write_text(source)
        self.registry = Registry.from_folder(home / "skills")
        assert self.registry.problems == []
        if not isolated:  # as Otto's own skills, which run in a thread
            self.registry = Registry.of(self.registry)
        self.person = Person()
        self.dispatcher = Dispatcher.open(self.registry, load_settings(environ={"OTTO_HOME": str(home)}), self.person)

    def run(self, text: str) -> Result:
        return self.dispatcher.run(Call.parse(text))

    @property
    def log(self) -> str:
        return (self.home / "data" / "otto.log").read_text()


@pytest.fixture(scope="module", params=["thread", "process"])
def shared_room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Starting a worker for each test would take long."""
    room = Room(tmp_path_factory.mktemp("home"), SKILLS, isolated=request.param == "process")
    yield room
    room.dispatcher.close()


@pytest.fixture
def room(shared_room: Room) -> Room:
    shared_room.person.__init__()  # type: ignore[misc]
    shared_room.dispatcher.database.transact(lambda connection: connection.execute("DELETE FROM store"))
    shared_room.dispatcher.database.transact(lambda connection: connection.execute("DELETE FROM schedule"))
    (shared_room.home / "data" / "otto.log").write_text("")
    return shared_room


@pytest.fixture
def deadly(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path, DEADLY, isolated=True)
    yield room
    room.dispatcher.close()


@pytest.mark.parametrize(
    ("call", "speech"),
    [
        ("greet()", "Hello you!"),
        ('greet(name="Ada", times="two")', "Hello Ada! Hello Ada!"),
        ("later()", "Later."),
        ("quiet()", "Done."),
    ],
)
def test_a_skill_answers(room: Room, call: str, speech: str) -> None:
    result = room.run(call)
    assert (result.speech.strip(), result.ok, result.error, result.said) == (speech, True, None, False)
    assert result.ms >= 0


def test_a_stream_is_said_sentence_by_sentence(room: Room) -> None:
    result = room.run("stream()")
    assert (result.speech, result.ok, result.said) == ("Once upon a time. There was an end.", True, True)
    assert room.person.said == ["Once upon a time.", "There was an end."]
    assert room.run("stream_later()").speech == "One. Two."


def test_other_does_nothing(room: Room) -> None:
    result = room.run("other()")
    assert (result.speech, result.ok, result.error) == ("", False, None)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        ("absent()", UnknownSkill, "There is no skill absent; see `otto skills list`."),
        ("greet(nme=1)", InvalidCall, "greet has no parameter nme; its parameters are: name, times."),
        ('greet(times="lots")', InvalidCall, "times='lots' does not fit"),
        ("misasked()", SkillFailed, "The question 'Really {what.nothing}?' of misasked names what is not there"),
        ("erase()", InvalidCall, "erase needs what"),
    ],
)
def test_a_call_is_validated_again(room: Room, call: str, kind: type, sentence: str) -> None:
    result = room.run(call)
    assert (result.ok, type(result.error)) == (False, kind)
    assert result.speech.startswith(sentence)
    assert room.person.asked == []


def test_ottos_own_errors_keep_their_sentence(room: Room) -> None:
    result = room.run("gentle()")
    assert (result.ok, result.speech) == (False, "The kettle is empty; fill it.")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("int", "int"),
        ("bytes", "bytes"),
        ("list", "list"),
        ("none piece", "NoneType"),
        ("huge", "more than 100,000 characters"),
        ("endless", "more than 100,000"),
    ],
)
def test_nonsense_is_named(room: Room, kind: str, what: str) -> None:
    result = room.run(f'nonsense(kind="{kind}")')
    assert (result.ok, type(result.error)) == (False, SkillFailed)
    assert result.speech.startswith(f"The skill nonsense returned nonsense ({what}")
    assert room.run("greet()").ok


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("value", "ValueError: two lines"),
        ("long", f"ValueError: {'x' * 200}…"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("stop", "StopIteration"),
        ("awkward", "Awkward"),
        ("recursion", "RecursionError: maximum recursion depth exceeded"),
        ("midway", "ValueError: halfway"),
        ("memory", "MemoryError"),
    ],
)
def test_what_a_skill_raises_is_one_sentence_and_a_log_entry(room: Room, how: str, reason: str) -> None:
    result = room.run(f'fail(how="{how}")')
    assert (result.ok, type(result.error)) == (False, SkillFailed)
    assert result.speech.startswith(f"The skill fail failed ({reason}")
    assert result.speech.endswith(f"; the details are in {room.home / 'data' / 'otto.log'}.")
    assert "\n" not in result.speech
    assert "mine.py" in room.log, "the log has the trace"
    assert room.run("greet()").ok


def test_what_was_said_before_a_failure_stays_said(room: Room) -> None:
    assert not room.run('fail(how="midway")').ok
    assert room.person.said == ["It begins."]


@pytest.mark.parametrize("how", ["sleep", "busy", "stream", "write"])
def test_a_hanging_skill_is_stopped_and_its_late_answer_dropped(room: Room, how: str) -> None:
    result = room.run(f'hang(how="{how}")')
    assert (result.ok, type(result.error)) == (False, SkillTimeout)
    assert result.speech == "The skill hang gave no answer within 0.3 seconds and was stopped; try again later."
    assert "hang gave no answer" in room.log
    said = list(room.person.said)
    time.sleep(0.7)  # the skill goes on until about then
    assert room.person.said == said, "nothing is said late"
    assert (
        room.dispatcher.database.transact(
            lambda connection: connection.execute("SELECT count(*) FROM store").fetchone()[0]
        )
        == 0
    )
    assert room.run("greet()").ok


def test_waiting_for_the_user_is_not_the_skills_time(room: Room) -> None:
    room.person.delay = 1.3
    assert room.run("patient()").speech == "Ada"


def test_undo(room: Room) -> None:
    first, second = room.run('remember(what="milk")'), room.run('remember(what="tea")')
    assert (first.undo, second.undo) == (None, "milk")
    assert room.dispatcher.undo("remember", second.undo).speech == "Back to milk."
    refused = room.dispatcher.undo("greet", 1)
    assert (refused.ok, refused.speech) == (False, "greet cannot be undone.")
    assert room.dispatcher.undo("absent", 1).speech == "There is no skill absent; see `otto skills list`."


def test_a_class_keeps_its_state(room: Room) -> None:
    assert [room.run("count()").speech for _ in range(3)] == ["1", "2", "3"]
    assert room.dispatcher.undo("count", 3).speech == "2"


def test_confirmation_is_asked_for_the_very_call(room: Room) -> None:
    assert room.run('erase(what="the  moon")').speech == "Erased the moon."
    assert room.person.asked == ["Erase the moon, for good?"]
    room.person.yes = False
    result = room.run('erase(what="{how} everything")')
    assert (result.ok, type(result.error)) == (False, NotConfirmed)
    assert room.person.asked[-1] == "Erase {how} everything, for good?", "what was said is never a template"


def test_nobody_there_is_a_no(tmp_path: Path) -> None:
    room = Room(tmp_path, SKILLS, isolated=False)
    dispatcher = Dispatcher.open(room.registry, load_settings(environ={"OTTO_HOME": str(tmp_path)}))
    assert dispatcher.run(Call("erase", {"what": "it"})).speech == "erase was not confirmed; nothing was done."
    assert dispatcher.run(Call("patient")).speech.startswith("patient asked 'Take your time.' and nobody could answer")


def test_the_whole_context(room: Room) -> None:
    result = room.run("talk()")
    assert result.speech == "Ada True True True New year. x 2030 {'b': [2]} gone metric talk()"
    assert room.person.said == ["Working."]
    assert room.person.asked == ["Who are you?", "Sure?"]


def test_what_is_no_json_is_refused_in_the_skill(room: Room) -> None:
    assert room.run("unstorable()").speech.startswith("The skill unstorable failed (")


def test_a_full_store_is_its_own_sentence(room: Room) -> None:
    data = room.home / "data"
    data.rename(room.home / "moved")
    data.write_text("in the way")
    assert room.run("talk()").speech.startswith(f"Otto cannot store anything in {data}")
    assert room.run("greet()").ok
    data.unlink()
    (room.home / "moved").rename(data)


def test_a_skill_that_is_only_data(tmp_path: Path) -> None:
    dispatcher = Dispatcher.open(
        Registry.of([SkillSpec("ghost", "Nothing.")]), load_settings(environ={"OTTO_HOME": str(tmp_path)})
    )
    assert (
        dispatcher.run(Call("ghost")).speech
        == "The skill ghost is only a signature and cannot run; see `otto skills list` for the skills that do."
    )


def test_a_destructive_skill_without_undo_is_never_run_unasked(tmp_path: Path) -> None:
    @skill(destructive=True, undo="back")
    def burn(context: Context) -> str:
        """Burn it."""
        return "Burnt."

    spec = burn.__otto_skill__  # type: ignore[attr-defined]
    person = Person(yes=False)
    settings = load_settings(environ={"OTTO_HOME": str(tmp_path)})
    assert Dispatcher.open(Registry.of([spec]), settings, person).run(Call("burn")).ok, "it can be undone"
    from dataclasses import replace

    assert not Dispatcher.open(Registry.of([replace(spec, undo=None)]), settings, person).run(Call("burn")).ok
    assert person.asked == ["Really run burn()?"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ('die(how="kill")', "failed (its process was killed by SIGKILL)"),
        ('die(how="fork")', "failed (its process was killed by SIGKILL)"),
        ('die(how="exit")', "failed (it ended its process with code 4)"),
        ('die(how="crash")', "failed (its process was killed by SIGSEGV)"),
        ("hold()", "gave no answer within 2 seconds and was stopped"),
    ],
)
def test_a_skill_that_is_killed_takes_nobody_with_it(
    deadly: Room, call: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = deadly.run(call)
    assert not result.ok
    assert result.speech.startswith(f"The skill {call[: call.index('(')]} {reason}")
    assert reason in deadly.log
    assert int(deadly.run("pid()").speech) != os.getpid()
    out, err = capfd.readouterr()
    assert out + err == "", "what a skill prints goes to the log"
    if call == "hold()":
        assert "a skill printed: this is not for the user" in deadly.log


@pytest.mark.parametrize("trouble", ["os._exit(1)", "time.sleep(60)"])
def test_a_worker_that_cannot_start(deadly: Room, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """As where a skill's imports work in Otto's process and not in the worker's."""
    mine = deadly.home / "skills" / "mine.py"
    mine.write_text(f"import os, time\nif os.getpid() != {os.getpid()}: {trouble}\n" + DEADLY)
    monkeypatch.setattr("otto.isolation.START_SECONDS", 1.0 if "sleep" in trouble else 60.0)
    assert deadly.registry.refresh()
    assert deadly.run("pid()").speech.startswith(
        "The process that runs your skills did not start; see what they import"
    )
    monkeypatch.undo()
    mine.write_text(DEADLY)
    deadly.registry.refresh()
    assert deadly.run("pid()").ok


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_stops_the_skill_and_reaches_the_caller(deadly: Room) -> None:
    deadly.run("pid()")
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        deadly.run("hold()")
    assert deadly.run("pid()").ok


def test_a_changed_skill_is_what_runs(deadly: Room) -> None:
    before = deadly.run("pid()").speech
    (deadly.home / "skills" / "mine.py").write_text(
        DEADLY.replace("return str(os.getpid())", 'return f"new {os.getpid()}"')
    )
    assert deadly.registry.refresh()
    assert deadly.run("pid()").speech == f"new {before}", "in the same process"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_worker_does_not_outlive_otto(deadly: Room) -> None:
    code = """
        import sys, time
        from pathlib import Path
        from otto import Call
        from otto.config import load_settings
        from otto.dispatch import Dispatcher
        from otto.registry import Registry
        home = Path(sys.argv[1])
        settings = load_settings(environ={"OTTO_HOME": str(home)})
        dispatcher = Dispatcher.open(Registry.from_folder(home / "skills"), settings)
        print(dispatcher.run(Call("pid")).speech, flush=True)
        time.sleep(60)
    """
    otto = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(deadly.home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert otto.stdout
    worker = int(otto.stdout.readline())
    os.kill(worker, 0)
    otto.kill()
    otto.communicate()
    for _ in range(100):
        if not _runs(worker):
            return
        time.sleep(0.1)
    pytest.fail("the worker still runs")


def test_a_skill_left_hanging_does_not_keep_the_process(tmp_path: Path) -> None:
    code = """
        import sys, time
        from otto import Call, skill
        from otto.config import load_settings
        from otto.dispatch import Dispatcher
        from otto.registry import Registry
        @skill(deadline=0.2)
        def hang() -> str:
            "Hang."
            time.sleep(600)
        settings = load_settings(environ={"OTTO_HOME": sys.argv[1]})
        dispatcher = Dispatcher.open(Registry.of([hang.__otto_skill__]), settings)
        print(dispatcher.run(Call("hang")).speech)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "The skill hang gave no answer within 0.2 seconds and was stopped; try again later.\n"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")  # a zombie has ended
    except (ProcessLookupError, FileNotFoundError):
        return False
