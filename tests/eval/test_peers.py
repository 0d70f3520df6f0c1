"""Peers: what they are made from, their protocol over a real process, and hassil's real answers."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from eval.peers import PEERS
from eval.peers import worker as worker_module
from eval.peers.assist import assist_call, expresses
from eval.peers.client import PeerError, PeerRouter
from eval.peers.install import install_peers, peers_python, requirements
from eval.peers.lesson import Lesson, as_said, plain_words, slot_name, slot_number
from otto.call import Call
from otto.config import Settings, load_settings
from otto.parameters import Parameter
from otto.registry import Registry
from otto.skill import Example, SkillSpec

BUNDLED = Registry.load(entry_points=False)
PLAY = SkillSpec("play", "Play music.", (Parameter("artist", plain=str), Parameter("year", plain=str, required=False, default=None, nullable=True)))


def example(text: str, call: str) -> Example:
    return Example(text, Call.parse(call))


def registry(*examples: tuple[str, str]) -> Registry:
    return Registry.of([replace(PLAY, examples=tuple(example(text, call) for text, call in examples))])


needs_hassil = pytest.mark.skipif(not importlib.util.find_spec("hassil"), reason="hassil is not installed")
needs_sentences = pytest.mark.skipif(not importlib.util.find_spec("home_assistant_intents"), reason="home-assistant-intents is not installed")


# What a peer is made from


def test_templates_and_values() -> None:
    lesson = Lesson.of(
        registry(
            ("Play me some Adele, please!", 'play(artist="Adele")'),
            ("play ABBA from 1975", 'play(artist="ABBA", year="1975")'),
            ("play me some Adele please", 'play(artist="Adele")'),
        )
    )
    assert [list(intent.templates) for intent in lesson.intents] == [["Play me some {sa} please", "play {sa} from {sb}", "play me some {sa} please"]]
    assert [(slot.parameter, dict(slot.values)) for slot in lesson.slots] == [("artist", {"adele": 2, "abba": 1}), ("year", {"1975": 1})]
    assert (lesson.examples, lesson.unused) == (3, 0)


@pytest.mark.parametrize(
    ("text", "call", "why"),
    [
        ("Adele", 'play(artist="Adele")', "a slot alone would match anything"),
        ("play Adele and ABBA", 'play(artist=["Adele", "ABBA"])', "one parameter twice"),
        ("play the one with Hello", 'play(artist="Adele")', "a value that is not said"),
    ],
)
def test_what_no_template_can_say_is_counted(text: str, call: str, why: str) -> None:
    lesson = Lesson.of(registry((text, call)))
    assert (lesson.examples, lesson.unused, lesson.intents) == (1, 1, []), why


def test_arguments_that_no_word_says_make_intents_of_their_own() -> None:
    volume = BUNDLED.get("volume")
    examples = (example("louder", 'volume(action="up")'), example("mute it", 'volume(action="mute")'), example("be louder", 'volume(action="up")'))
    lesson = Lesson.of(Registry.of([replace(volume, examples=examples)]))
    assert [(intent.fixed, list(intent.templates)) for intent in lesson.intents] == [
        ((("action", "up"),), ["louder", "be louder"]),
        ((("action", "mute"),), ["mute it"]),
    ]
    assert lesson.call("louder", 0, {}) == Call("volume", {"action": "up"})


def test_a_signatures_slot_is_closed_where_its_values_come_again() -> None:
    often = Lesson.of(registry(*[(f"play Adele number {number}", 'play(artist="Adele")') for number in ("one", "two", "three")]))
    seldom = Lesson.of(registry(("play Adele now", 'play(artist="Adele")'), ("play ABBA now", 'play(artist="ABBA")')))
    assert [often.slots[0].free, seldom.slots[0].free] == [False, True]


def test_a_skills_own_types_decide() -> None:
    timer = replace(BUNDLED.get("timer"), examples=(example("set a timer for five minutes", 'timer(duration="5 minutes")'),))
    notes = replace(BUNDLED.get("notes"), examples=(example("note buy milk", 'notes(action="add", note="buy milk")'),))
    assert [slot.free for slot in Lesson.of(Registry.of([timer, notes])).slots] == [False, True]


@pytest.mark.parametrize(
    ("value", "text", "said"),
    [
        ("adele", "Play Adele, please", "Adele"),
        ("new york", "in New-York today", "New-York"),
        ("art", "play party art", "art"),  # whole words
        ("nowhere", "play Adele", "nowhere"),
        ("", "play Adele", ""),
    ],
)
def test_what_was_captured_is_given_back_as_it_was_said(value: str, text: str, said: str) -> None:
    assert as_said(value, text) == said


def test_sentence_marks_go() -> None:
    assert plain_words("What's (the) time?! {now} [please]") == "What's the time now please"


def test_names_of_slots_have_letters_alone() -> None:
    assert [slot_name(number) for number in (0, 9, 10, 123)] == ["sa", "sj", "sba", "sbcd"]
    assert all(slot_number(slot_name(number)) == number for number in range(2000))


# The protocol


FAKE = """
import json, sys, time
def say(text):
    sys.stdout.write(text + "\\n"); sys.stdout.flush()
request = json.loads(sys.stdin.readline())
{start}
for line in sys.stdin:
    text = json.loads(line)["text"]
    {answer}
"""
READY = 'say(json.dumps({"ready": {"fake": "1"}}))'


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str, str], PeerRouter]:
    """A peer whose process does what is written for it."""

    def make(start: str, answer: str) -> PeerRouter:
        script = tmp_path / "fake.py"
        script.write_text(FAKE.replace("{start}", start).replace("{answer}", answer), encoding="utf-8")
        return PeerRouter("adapt", registry(("play Adele now", 'play(artist="Adele")')), Path(sys.executable), script)

    return make


def test_an_answer_is_a_route_with_the_peers_own_time(fake: Callable[[str, str], PeerRouter]) -> None:
    peer = fake(READY, 'say(json.dumps({"intent": 0, "values": {"sa": "abba"}, "cpu": 1.5}))')
    route = peer.route("play ABBA now")
    assert (route.calls, route.timings["process_cpu"], peer.versions) == ((Call("play", {"artist": "ABBA"}),), 1.5, {"fake": "1"})
    peer.close()
    with pytest.raises(PeerError, match="has ended"):
        peer.route("play ABBA now")


def test_no_match_is_other(fake: Callable[[str, str], PeerRouter]) -> None:
    peer = fake(READY, 'say(json.dumps({"intent": None, "values": {}, "cpu": 0.1}))')
    assert peer.route("hm").calls == (Call("other"),)
    peer.close()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ('say("no json")', "answered what is no JSON"),
        ('say("[1]")', "answered what is no answer"),
        ('say(json.dumps({"intent": 7, "values": {}, "cpu": 1}))', "answered what is no answer"),
        ('say(json.dumps({"intent": 0, "values": {"x": "y"}, "cpu": 1}))', "answered what is no answer"),
        ('say(json.dumps({"intent": 0, "values": {}}))', "answered what is no answer"),
        ('say(json.dumps({"error": "KeyError: x"}))', "adapt: KeyError: x"),
        ("sys.exit(3)", r"has ended \(exit code 3\)"),
    ],
)
def test_bad_answers_are_errors(answer: str, what: str, fake: Callable[[str, str], PeerRouter]) -> None:
    peer = fake(READY, answer)
    with pytest.raises(PeerError, match=what):
        peer.route("play ABBA now")
    peer.close()


@pytest.mark.parametrize(
    ("start", "what"),
    [
        ("sys.exit(1)", "has ended"),
        ("say('{}')", "did not say that it is ready"),
        ("say(json.dumps({'error': 'no module adapt', 'missing': 'adapt'}))", "adapt-parser is not installed in the peers' environment; run: otto eval bench --install-peers"),
    ],
)
def test_a_peer_that_does_not_start(start: str, what: str, fake: Callable[[str, str], PeerRouter]) -> None:
    with pytest.raises(PeerError, match=what):
        fake(start, "pass")


def test_a_peer_that_hangs(fake: Callable[[str, str], PeerRouter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.peers.client.ANSWER_SECONDS", 0.2)
    peer = fake(READY, "time.sleep(60)")
    with pytest.raises(PeerError, match="gave no answer in"):
        peer.route("play ABBA now")
    peer.close()


def test_every_error_of_a_peer_says_what_to_do(fake: Callable[[str, str], PeerRouter]) -> None:
    peer = fake(READY, 'say("no json")')
    with pytest.raises(PeerError) as raised:
        peer.route("play ABBA now")
    assert str(raised.value) == "adapt answered what is no JSON; leave it out with --peers, or install it anew: otto eval bench --install-peers."
    with pytest.raises(PeerError, match="leave it out with --peers"):
        peer.update(registry())
    peer.close()


def test_no_environment(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="run: otto eval bench --install-peers"):
        PeerRouter("adapt", registry(), tmp_path / "bin" / "python")


def test_the_worker_answers_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> tuple[int, dict[str, str]]:
        if text == "break":
            raise ValueError("out\nof order")
        return 0, {"sa": text}

    monkeypatch.setitem(worker_module.PEERS, "made", (lambda lesson: broken, []))
    lines = ['{"peer": "nobody"}', '{"peer": "made"}', '{"text": "hello"}', '{"text": "break"}', "no json", '{"text": "again"}']
    out = io.StringIO()
    worker_module.serve(io.StringIO("\n".join(lines) + "\n"), out)
    replies = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [reply.get("error", reply.get("values", reply.get("ready"))) for reply in replies] == [
        "KeyError: 'nobody'",
        {},
        {"sa": "hello"},
        "ValueError: out of order",
        replies[4]["error"],
        {"sa": "again"},
    ]


def test_a_missing_package_is_named() -> None:
    if importlib.util.find_spec("padatious"):
        pytest.skip("padatious is installed here")
    with pytest.raises(PeerError, match="padatious is not installed in the peers' environment; needs FANN"):
        PeerRouter("padatious", registry(("play Adele now", 'play(artist="Adele")')), Path(sys.executable))


def test_the_worker_knows_every_peer_and_nothing_of_otto() -> None:
    assert worker_module.PEERS.keys() == PEERS.keys()
    assert {peer.package for peer in PEERS.values()} <= {requirement.split("==")[0] for requirement, _ in requirements()}
    source = Path(worker_module.__file__).read_text(encoding="utf-8")
    assert "otto" not in source.replace("Otto", "") and "from eval" not in source


# The real peers that this environment has


@needs_hassil
@pytest.mark.parametrize(
    ("name", "text", "call"),
    [
        ("hassil", "set a timer for five minutes", 'timer(duration="5 minutes")'),
        ("hassil", "Please, set a timer for 7 hours!", "other()"),  # no example says it
        ("hassil-wildcards", "Please, set a timer for 7 hours!", 'timer(duration="7 hours")'),
        ("hassil-wildcards", "set a timer for my sister", "other()"),  # captured, and refused by the normaliser
        ("hassil", "that was a long day", "other()"),
    ],
)
def test_hassil(name: str, text: str, call: str, hassils: dict[str, PeerRouter]) -> None:
    assert str(hassils[name].route(text).calls[0]) == call


@pytest.fixture(scope="module")
def hassils() -> object:
    timer = replace(BUNDLED.get("timer"), examples=(example("set a timer for five minutes", 'timer(duration="5 minutes")'),))
    peers = {name: PeerRouter(name, Registry.of([timer]), Path(sys.executable)) for name in ("hassil", "hassil-wildcards")}
    yield peers
    for peer in peers.values():
        peer.close()


@needs_hassil
@needs_sentences
def test_home_assistant_answers_with_calls_of_our_skills() -> None:
    peer = PeerRouter("home-assistant", BUNDLED, Path(sys.executable))
    said = {
        "set a timer for 5 minutes": 'timer(duration="5 minutes")',
        "start a 1 hour and 10 minute timer": 'timer(duration="1 hour 10 minutes")',
        "cancel all timers": 'timers(action="cancel")',
        "how long is left on my timer": 'timers(action="list")',
        "set the volume to 40 percent": 'volume(action="set", level=40)',
        "turn up the volume": 'volume(action="up")',
        "next song": 'media(action="next")',
        "what time is it": "timecheck()",
        "what's the weather like": "weather()",
        "turn on the kitchen lights": "other()",  # this home has none
        "she set it on the table": "other()",
    }
    assert {text: str(peer.route(text).calls[0]) for text in said} == said
    peer.close()


@pytest.mark.parametrize(
    ("intent", "values", "call"),
    [
        ("HassStartTimer", {"minutes": "5", "seconds": "30"}, 'timer(duration="5 minutes 30 seconds")'),
        ("HassStartTimer", {"minutes": "5", "conversation_command": "turn off"}, "other()"),
        ("HassStartTimer", {}, "other()"),
        ("HassCancelTimer", {"name": "pizza"}, "other()"),
        ("HassSetVolumeRelative", {"volume_step": "-10"}, 'volume(action="down", level=10)'),
        ("HassSetVolumeRelative", {}, "other()"),
        ("HassSetVolume", {"volume_level": "loud"}, "other()"),
        ("HassTurnOn", {"name": "lamp"}, "other()"),
    ],
)
def test_assist_calls(intent: str, values: dict[str, str], call: str) -> None:
    assert str(assist_call(BUNDLED.specs, "", intent, values)) == call


@pytest.mark.parametrize(
    ("call", "can"),
    [
        ('timer(duration="5 minutes")', True),
        ("weather()", True),
        ('weather(location="Rome")', False),
        ('date(day="tomorrow")', False),
        ('media(action="pause")', True),
        ('media(action="stop")', False),
        ('math(question="1+1")', False),
        ("other()", True),
    ],
)
def test_what_home_assistant_can_express(call: str, can: bool) -> None:
    assert expresses(Call.parse(call)) is can


# Installing


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environ={"OTTO_HOME": str(tmp_path)})


def test_what_cannot_be_installed_is_said_and_the_rest_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        bad = "padatious" in command[-1]
        return subprocess.CompletedProcess(command, int(bad), "", "  error: subprocess\n  Exception: Couldn't find FANN\n" if bad else "")

    monkeypatch.setattr(subprocess, "run", run)
    (failed,) = install_peers(settings, lambda sentence: None)
    assert "padatious==0.4.8 cannot be installed: Exception: Couldn't find FANN (needs FANN" in failed
    python = str(peers_python(settings))
    assert commands[0][1:3] == ["-m", "venv"] and all(command[:3] == [python, "-m", "pip"] for command in commands[1:])
    assert [command[-1].split("==")[0] for command in commands[1:]] == ["hassil", "home-assistant-intents", "padacioso", "adapt-parser", "padatious"]


def test_a_python_that_cannot_be_run_is_a_sentence(settings: Settings) -> None:
    python = peers_python(settings)
    python.mkdir(parents=True)  # a folder where a program should be
    failed = install_peers(settings, lambda sentence: None)
    assert len(failed) == len(requirements()) and f"{python} cannot be run: " in failed[0]
