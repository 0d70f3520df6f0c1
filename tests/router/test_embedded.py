"""The default router: what everybody would expect of it, and that it leaves alone what is none of its business."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from otto import Call
from otto.config import Settings, load_settings
from otto.errors import ModelError
from otto.registry import Registry
from otto.router import embedded, open_router
from otto.router.embedded import LONGEST, Calibration, EmbeddedRouter, Evidence, Logistic
from tests import bundled

COMMANDS = [
    ("set a timer for twelve minutes", 'timer(duration="12 minutes")'),
    ("timer 45 seconds", 'timer(duration="45 seconds")'),
    ("can you start a timer for an hour and a half", 'timer(duration="1 hour 30 minutes")'),
    ("start a countdown of 3 minutes", 'timer(duration="3 minutes")'),
    ("remind me in ten minutes", 'timer(duration="10 minutes")'),
    ("pasta timer, nine minutes please", 'timer(duration="9 minutes")'),
    ("how much time is left on my timer", 'timers(action="list")'),
    ("show me my timers", 'timers(action="list")'),
    ("cancel the timer", 'timers(action="cancel")'),
    ("stop all timers", 'timers(action="cancel")'),
    ("wake me up at 6:45", 'alarm(action="set", time="06:45")'),
    ("set an alarm for half past seven", 'alarm(action="set", time="07:30")'),
    ("alarm for 5 am please", 'alarm(action="set", time="05:00")'),
    ("what alarms do i have", 'alarm(action="list")'),
    ("delete my alarm", 'alarm(action="cancel")'),
    ("what's the weather like in Lisbon", 'weather(location="Lisbon")'),
    ("how's the weather", 'weather()'),
    ("do I need an umbrella today", 'weather()'),
    ("is it going to rain in Manchester", 'weather(location="Manchester")'),
    ("how cold is it in Helsinki right now", 'weather(location="Helsinki")'),
    ("what time is it", 'timecheck()'),
    ("what time is it in Sydney", 'timecheck(location="Sydney")'),
    ("tell me the time in Buenos Aires", 'timecheck(location="Buenos Aires")'),
    ("what day is it", 'date()'),
    ("what day of the week is december 24", 'date(day="december 24")'),
    ("what is 17 times 24", 'math(question="17 * 24")'),
    ("how much is three hundred divided by twelve", 'math(question="300 / 12")'),
    ("what's 15% of 80", 'math(question="15 / 100 * 80")'),
    ("calculate 2*(3+4)", 'math(question="2 * (3 + 4)")'),
    ("square root of 144", 'math(question="sqrt(144)")'),
    ("convert 10 miles to kilometers", 'convert(source="miles", target="kilometers", amount=10)'),
    ("how many grams are in a pound", 'convert(source="pound", target="grams")'),
    ("what is 100 fahrenheit in celsius", 'convert(source="fahrenheit", target="celsius", amount=100)'),
    ("how many cups in 2 liters", 'convert(source="liters", target="cups", amount=2)'),
    ("make a note to call the plumber", 'notes(action="add", note="call the plumber")'),
    ("note that the spare key is under the pot", 'notes(action="add", note="the spare key is under the pot")'),
    ("add eggs and flour to my notes", 'notes(action="add", note="eggs and flour")'),
    ("read me my notes", 'notes(action="list")'),
    ("what's in the news", 'news()'),
    ("give me the latest headlines about climate change", 'news(topic="climate change")'),
    ("any news about the election", 'news(topic="the election")'),
    ("search the web for cheap flights to Rome", 'search(query="cheap flights to Rome")'),
    ("google how to tie a bow tie", 'search(query="how to tie a bow tie")'),
    ("open firefox", 'runapp(program="firefox")'),
    ("launch the calculator app", 'runapp(program="calculator")'),
    ("start spotify", 'runapp(program="spotify")'),
    ("could you open visual studio code for me", 'runapp(program="visual studio code")'),
    ("ask chatgpt what the meaning of life is", 'openai(prompt="what the meaning of life is")'),
    ("ask gpt to write a haiku about autumn", 'openai(prompt="write a haiku about autumn")'),
    ("tell me a story", 'story()'),
    ("tell me a bedtime story about a brave mouse", 'story(description="a brave mouse")'),
    ("turn the volume up", 'volume(action="up")'),
    ("make it quieter", 'volume(action="down")'),
    ("set the volume to 40 percent", 'volume(action="set", level=40)'),
    ("mute", 'volume(action="mute")'),
    ("unmute the sound", 'volume(action="unmute")'),
    ("pause the music", 'media(action="pause")'),
    ("next song please", 'media(action="next")'),
    ("resume playback", 'media(action="play")'),
    ("go back to the previous track", 'media(action="previous")'),
    ("how much battery do i have left", 'system(what="battery")'),
    ("how busy is the processor", 'system(what="cpu")'),
    ("how much disk space is free", 'system(what="disk")'),
    ("how much ram is being used", 'system(what="memory")'),
]

STRAY = [
    "open the door",
    "google bought them in 2014",
    "pass me the salt",
    "i'll be back in five minutes",
    "my sister is coming over for dinner",
    "the weather was awful when we were in spain",
    "she set the table for six",
    "time flies when you are having fun",
    "i lost my notes on the train",
    "the volume of a cube is easy to compute",
    "did you hear the news about uncle bob",
    "he told me a long story about his divorce",
    "the alarm went off at the bank last night",
    "we watched the game and then went home",
    "can you believe what she said",
    "turn left at the next corner",
    "the battery in my car is dead",
    "let's meet at noon by the fountain",
    "i'm running out of memory cards",
    "stop it you two",
    "that song reminds me of berlin",
    "call me when you get there",
    "what do you want for dinner",
    "i think it's going to be a long day",
    "she's been at the office since seven",
    "the dog needs a walk",
    "do you take sugar in your coffee",
    "my phone fell in the sink",
    "he opened the window and shouted",
    "we should start early tomorrow",
    "they played the same record all night",
    "two plus two is what they teach in school",
    "i was thinking about you yesterday",
    "the kids are asleep be quiet",
    "mute people use sign language",
    "put the kettle on",
    "where did i leave my glasses",
    "it's a quarter past too late",
    "take the bus to the station",
    "how was your day",
    "are you hungry",
    "i can't find the remote",
    "no i said tuesday not thursday",
    "the search for the missing cat goes on",
    "close the fridge please",
    "his program was cancelled after one season",
    "i'd like the steak and a glass of red wine",
    "we need more paint for the fence",
    "he asked her to marry him in paris",
    "the timer on the oven is broken",
    "thank you very much",
    "okay",
    "yes",
    "hmm let me think",
    "good morning",
    "never mind",
    "the meeting has been moved to room seven",
    "ten miles is a long way to walk",
    "sell the car and buy a bike",
    "who left the light on",
    "happy birthday to you",
    # nothing that is installed does these
    "turn on the lights",
    "turn off the heating",
    "lock the door",
    "book a flight",
    "send an email to bob",
    "order pizza",
    "call a taxi",
    "call mum",
    "what is love",
    "what's your name",
    "how old are you",
    "tell me a joke",
    "sing a song",
    "who is the president of france",
    "what is the capital of peru",
    "play dead",
    "open wide",
    "set the table",
    "paris",
    "thirty",
    "quelle heure est-il",
    "wie spät ist es",
    "danke schön",
]


@pytest.fixture(scope="module")
def router() -> EmbeddedRouter:
    found = EmbeddedRouter(bundled.registry())
    assert not found._source.learning, "the shipped tagger was made from other examples: run otto finetune embedded"
    return found


@pytest.mark.parametrize(("said", "call"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_commands(router: EmbeddedRouter, said: str, call: str) -> None:
    route = router.route(said)
    assert [str(found) for found in route.calls] == [call]
    assert route.text == said
    assert route.confidence > 0.4


@pytest.mark.parametrize("said", STRAY)
def test_stray_talk(router: EmbeddedRouter, said: str) -> None:
    route = router.route(said)
    assert route.calls == (Call("other"),)
    assert not route.acts


@pytest.mark.parametrize("said", ["", "   ", "?!", "...", "\n"])
def test_nothing_said(router: EmbeddedRouter, said: str) -> None:
    route = router.route(said)
    assert (route.calls, route.confidence, route.alternatives) == ((Call("other"),), 1.0, ())


def test_a_speech_is_no_command(router: EmbeddedRouter) -> None:
    assert not router.route("set a timer for five minutes and then " * 50).acts
    assert not router.route("so " * (LONGEST + 1)).acts
    assert not router.route("word " * 300).acts


@pytest.mark.parametrize(
    "said",
    ["👍", "👍👍🎉", "🙂 🙃", "你好,今天天气怎么样", "Wie geht es deiner Schwester", "где мой ключ", "मुझे भूख लगी है", "ich habe meinen Schlüssel verloren", "asdf jkl", "xyzzy", "la la la", "1234567890" * 5, "\u202e\u200b", "a" * 500],
)
def test_emoji_other_languages_and_noise(router: EmbeddedRouter, said: str) -> None:
    assert not router.route(said).acts


def test_case_marks_and_fillers_change_nothing(router: EmbeddedRouter) -> None:
    wanted = Call("timer", {"duration": "12 minutes"})
    for said in ("SET A TIMER FOR TWELVE MINUTES!", "Set a timer, for twelve minutes.", "hey otto could you set a timer for 12 minutes please", "  set a\ttimer for 12 minutes  "):
        assert router.route(said).calls == (wanted,), said


def test_a_known_phrase_is_certain_and_asks_no_model(router: EmbeddedRouter) -> None:
    route = router.route("set a timer for five minutes")
    assert (route.engine, route.confidence, dict(route.timings)) == ("phrases", 1.0, {})


def test_a_route_of_the_models_tells_its_timings(router: EmbeddedRouter) -> None:
    route = router.route("kick off a countdown lasting seventeen minutes for the quiche")
    assert route.engine == "embedded"
    assert set(route.timings) == {"tagger", "llama"}
    assert route.ms >= sum(route.timings.values()) > 0
    assert 0.0 <= route.confidence <= 1.0


def test_what_is_left_alone_is_offered_as_an_alternative(router: EmbeddedRouter) -> None:
    route = router.route("i'll be back in five minutes")
    assert route.calls == (Call("other"),)
    assert len(route.alternatives) >= 1
    best, share = route.alternatives[0]
    assert best.name != "other"
    assert route.confidence + share == pytest.approx(1.0)


def test_no_alternative_is_the_call_itself_or_comes_twice(router: EmbeddedRouter) -> None:
    specs = bundled.registry().specs
    for said in [row[0] for row in COMMANDS[::4]] + STRAY[::4]:
        route = router.route(said)
        others = [str(call) for call, _ in route.alternatives]
        assert len(others) == len(set(others)), said
        assert str(route.calls[0]) not in others, said
        assert "other()" not in others, said
        for call, share in route.alternatives:
            assert str(specs[call.name].canonical(call)) == str(call)
            assert 0.0 <= share <= 1.0


def test_a_doubt_is_the_command_that_was_left_alone(router: EmbeddedRouter) -> None:
    for said in STRAY:
        route = router.route(said)
        assert route.doubt is None or route.doubt == route.alternatives[0][0], said
    assert router.route("set a timer for five minutes").doubt is None


@hypothesis_settings(max_examples=40)
@given(st.text(max_size=80) | st.lists(st.sampled_from("set the timer volume open weather in paris news note call five 10 to for and my play stop".split()), max_size=9).map(" ".join))
def test_any_text_has_one_valid_call(router: EmbeddedRouter, said: str) -> None:
    route = router.route(said)
    specs = bundled.registry().specs
    (call,) = route.calls
    assert call.name == "other" or str(specs[call.name].canonical(call)) == str(call)
    assert 0.0 <= route.confidence <= 1.0
    assert route.acts == (call.name != "other")


NEW_SKILL = '''
from typing import Literal

from otto import skill


@skill(examples={
    "feed the cat": 'feeder(animal="cat")',
    "give the dog its dinner": 'feeder(animal="dog")',
    "dinner time for the dog": 'feeder(animal="dog")',
})
def feeder(animal: Literal["cat", "dog"]) -> str:
    """Open the food hatch of a pet."""
    return f"The {animal} has its food."
'''


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environ={"OTTO_HOME": str(tmp_path / "home")})


def test_a_skill_added_a_second_ago_is_called_at_once(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its phrases, while the tagger has not learnt it; what the bundled skills do stays as it was."""
    monkeypatch.setattr("otto.router.learning._train_apart", lambda registry, path: None)
    settings.paths.skills.mkdir(parents=True)
    registry = Registry.load(settings.paths.skills, entry_points=False)
    router = open_router("embedded", registry, settings)
    assert not router.route("feed the cat").acts
    (settings.paths.skills / "feeder.py").write_text(NEW_SKILL, encoding="utf-8")
    assert registry.refresh()
    router.update(registry)
    assert isinstance(router, EmbeddedRouter)
    assert router._source.learning
    for said, animal in [("feed the cat", "cat"), ("Hey Otto, feed the cat please!", "cat"), ("could you give the dog its dinner", "dog"), ("dinner time for the dog", "dog")]:
        assert router.route(said).calls == (Call("feeder", {"animal": animal}),), said
    assert router.route("what is 17 times 24").calls == (Call("math", {"question": "17 * 24"}),)
    assert router.route("pass me the salt").calls == (Call("other"),)
    near = router.route("please give dinner to the cat").calls[0]
    assert near.name in ("feeder", "other"), "a near variant is read by the Llama from the signature alone: it may leave it, it must not take it for another skill"
    (settings.paths.skills / "feeder.py").unlink()
    assert registry.refresh()
    router.update(registry)
    assert not router.route("feed the cat").acts


def test_the_llama_alone_decides_on_a_skill_that_the_tagger_has_not_learnt(router: EmbeddedRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it is sure: below the bar the command is offered, not run."""
    from otto.router.llama import Reading

    written = Call("feeder", {"animal": "cat"})
    monkeypatch.setattr(router._book, "match", lambda text: None)
    monkeypatch.setattr(router, "_is_new", lambda skill: skill == "feeder")
    monkeypatch.setattr(router._llama, "call", lambda reading, text: written)
    for log_probability, acts in ((-0.01, True), (-0.5, False)):
        monkeypatch.setattr(router._llama, "write", lambda text, likely, p=log_probability: Reading("feeder", (), (("animal", "cat"),), p, 2))
        route = router.route("give dinner to the cat")
        assert route.acts == acts
        assert (route.calls[0] if acts else route.alternatives[0][0]) == written


def test_the_logistic_of_evidence() -> None:
    """Against numbers worked out by hand: 1 / (1 + e^-z)."""
    evidence = Evidence(1.0, 2.0, 0.5, -0.1, 1.0, 1.0, 0.0, 0.0, -0.2, 1.5)
    assert list(evidence.values()) == [1.0, 2.0, 0.5, -0.1, 1.0, 1.0, 0.0, 0.0, -0.2, 1.5][: len(evidence.values())]
    zero = Logistic((0.0,) * len(evidence.values()), 0.0)
    assert zero.probability(evidence) == 0.5
    one = Logistic((1.0,) + (0.0,) * (len(evidence.values()) - 1), 0.0)
    assert one.probability(evidence) == pytest.approx(0.7310585786300049)
    biased = Logistic((0.0,) * len(evidence.values()), -2.0)
    assert biased.probability(evidence) == pytest.approx(0.11920292202211755)
    assert 0.0 < Logistic((1000.0,) + (0.0,) * (len(evidence.values()) - 1), 0.0).probability(evidence) <= 1.0


DAMAGED: list[Any] = ["", "nonsense", "[]", "{}", "3", '{"meant": {}, "right": {}, "threshold": 0.5}', '{"meant": 3}']


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_calibration_is_one_sentence_with_the_mend(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"^The router's calibration.json cannot be read \(.*\); install otto-assistant"):
        Calibration.load(path)


def test_a_missing_calibration(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        Calibration.load(tmp_path / "calibration.json")


@pytest.mark.parametrize("part", ["meant", "right"])
def test_a_calibration_needs_every_feature(tmp_path: Path, part: str) -> None:
    path = tmp_path / "calibration.json"
    shutil.copy(embedded.WEIGHTS / "calibration.json", path)
    whole = Calibration.load(path)
    assert 0.0 < whole.threshold < 1.0
    stored = json.loads(path.read_text(encoding="utf-8"))
    del stored[part]["weights"]["margin"]
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ModelError, match="margin"):
        Calibration.load(path)
