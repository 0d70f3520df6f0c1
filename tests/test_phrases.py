"""PhraseBook: what is a known phrase, and what only looks like one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from otto import AppName, Call, Duration, Location
from otto.phrases import PhraseBook, phrases_of
from otto.registry import Registry
from otto.router.phrases import PhraseRouter
from otto.skill import Example, SkillSpec, declare
from tests import bundled


def timer(duration: Duration) -> None:
    """Set a timer."""


def runapp(program: AppName) -> None:
    """Open a program."""


def weather(location: Location | None = None) -> None:
    """Tell the weather."""


def volume(action: Literal["up", "down", "set"], level: Annotated[int, Field(ge=0, le=100)] | None = None) -> None:
    """Change the volume."""


def note(text: str) -> None:
    """Write something down."""


def taught(target: Callable[..., None], examples: dict[str, str]) -> SkillSpec:
    return replace(declare(target), examples=tuple(Example(said, Call.parse(call)) for said, call in examples.items()))


SPECS = [
    taught(timer, {"set a timer for five minutes": 'timer(duration="5 minutes")', "five minute timer": 'timer(duration="5 minutes")'}),
    taught(runapp, {"open firefox": 'runapp(program="firefox")', "start the gimp": 'runapp(program="gimp")'}),
    taught(weather, {"weather in berlin": 'weather(location="Berlin")', "how is the weather": "weather()"}),
    taught(
        volume,
        {
            "set the volume to thirty": 'volume(action="set", level=30)',
            "louder": 'volume(action="up")',
            "turn it down by ten": 'volume(action="down", level=10)',
        },
    ),
    taught(note, {"note call mum": 'note(text="call mum")', "write down that the guy from the garage called and said the car is ready on friday": 'note(text="the guy from the garage called and said the car is ready on friday")'}),
]  # fmt: skip
BOOK = PhraseBook(SPECS)

KNOWN = [
    ("set a timer for five minutes", 'timer(duration="5 minutes")'),
    ("Set a timer for 2 hours and 20 minutes!", 'timer(duration="2 hours 20 minutes")'),
    ("an hour and a half timer", 'timer(duration="1 hour 30 minutes")'),
    ("open gimp", 'runapp(program="gimp")'),
    ("open visual studio code", 'runapp(program="visual studio code")'),
    ("weather in Rio de Janeiro", 'weather(location="Rio de Janeiro")'),
    ("how is the weather?", "weather()"),
    ("set the volume to 100", 'volume(action="set", level=100)'),
    ("turn it down by twenty five", 'volume(action="down", level=25)'),
    ("LOUDER", 'volume(action="up")'),
    ("note the guy from the garage called and said the car is ready on friday", 'note(text="the guy from the garage called and said the car is ready on friday")'),
]  # fmt: skip


@pytest.mark.parametrize(("said", "call"), KNOWN, ids=[row[0] for row in KNOWN])
def test_a_known_phrase(said: str, call: str) -> None:
    found = BOOK.match(said)
    assert found is not None
    assert str(found) == call


UNKNOWN = [
    ("open the door", "a program that no example and no list has"),
    ("open fire", "the same"),
    ("weather in a nutshell", "a place that is none"),
    ("weather in atlantis", "a place that no example has: any words could be one"),
    ("note to self", "a text that no example has"),
    ("set a timer for ever", "no duration"),
    ("set a timer", "no duration at all"),
    ("set a timer for", "nor here"),
    ("timer", "one word of a phrase"),
    ("set the volume to 130", "beyond the bound"),
    ("set the volume to the moon", "no number"),
    ("they set a timer for five minutes", "a word before"),
    ("set a timer for five minutes and leave", "words after"),
    ("how was the weather", "another word"),
    ("please", "a lead-in alone"),
    ("hey otto", "another"),
    ("", "nothing"),
    ("?!", "no words"),
    ("   ", "no words"),
]


@pytest.mark.parametrize(("said", "why"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_no_known_phrase(said: str, why: str) -> None:
    assert BOOK.match(said) is None, why


LEADS = ["", "please", "hey otto", "otto", "um", "could you", "can you please", "ok otto um", "hey otto could you please"]
TAILS = ["", "please", "otto", "thanks", "for me", "for me please", "please otto"]


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("tail", TAILS)
def test_fillers_before_and_after(lead: str, tail: str) -> None:
    assert BOOK.match(f"{lead} set a timer for 90 seconds {tail}") == Call("timer", {"duration": "1 minute 30 seconds"})


@pytest.mark.parametrize("said", ["could they set a timer for five minutes", "set a timer for five minutes for my sister", "louder than ever please"])
def test_other_words_around_a_phrase_are_no_fillers(said: str) -> None:
    assert BOOK.match(said) is None


def test_fillers_inside_a_phrase_belong_to_it() -> None:
    book = PhraseBook([taught(note, {"note say please": 'note(text="say please")', "note ok": 'note(text="ok")'})])
    assert book.match("note say please") == Call("note", {"text": "say please"})
    assert book.match("please note say please thanks") == Call("note", {"text": "say please"})


def test_two_readings_are_none_unless_one_has_more_of_its_own_words() -> None:
    def radio(station: str) -> None:
        """Play the radio."""

    play = taught(radio, {"play jazz": 'radio(station="jazz")'})
    both = PhraseBook([play, taught(runapp, {"play jazz": 'runapp(program="jazz")'})])
    assert both.match("play jazz") is None
    nearer = PhraseBook([play, taught(volume, {"play jazz": 'volume(action="up")'})])
    assert nearer.match("play jazz") == Call("volume", {"action": "up"})


def test_templates() -> None:
    assert sorted(map(str, BOOK.templates)) == [
        "how is the weather",
        "louder",
        "note {text}",
        "open {program}",
        "set a timer for {duration}",
        "set the volume to {level}",
        "start the {program}",
        "turn it down by {level}",
        "weather in {location}",
        "write down that {text}",
        "{duration} timer",
    ]


def test_values_are_as_they_were_said() -> None:
    assert BOOK.values("timer", "duration") == ("five minutes", "five minute")
    assert BOOK.values("runapp", "program") == ("firefox", "gimp")
    assert BOOK.values("timer", "nothing") == ()


def test_an_example_whose_value_was_not_said_makes_no_template() -> None:
    assert PhraseBook([taught(timer, {"a quick nap": 'timer(duration="20 minutes")'})]).templates == ()


def test_other_is_a_phrase_too() -> None:
    book = PhraseBook([taught(timer, {"time flies": "other()", "timer for one hour": 'timer(duration="1 hour")'})])
    assert book.match("Time flies.") == Call("other")
    assert book.match("timer for ten minutes") == Call("timer", {"duration": "10 minutes"})
    assert {book.sample(random.Random(seed))[1].name for seed in range(20)} == {"timer", "other"}


def test_a_sample_needs_a_template() -> None:
    rng = random.Random(0)
    with pytest.raises(ValueError, match="there is no template of any skill"):
        PhraseBook([]).sample(rng)
    with pytest.raises(ValueError, match="there is no template of weather"):
        PhraseBook(SPECS[:1]).sample(rng, "weather")


@given(st.randoms(use_true_random=False), st.sampled_from([spec.name for spec in SPECS]))
def test_a_sample_is_known_with_its_own_call(rng: random.Random, skill: str) -> None:
    said, call = BOOK.sample(rng, skill)
    assert call.name == skill
    assert BOOK.match(said) == call


@pytest.mark.parametrize("skill", sorted(bundled.registry().specs))
def test_samples_of_the_bundled_skills_are_known_with_their_own_call(skill: str) -> None:
    rng = random.Random(skill)
    wrong = []
    for _ in range(40):
        said, call = bundled.book().sample(rng, skill)
        found = bundled.book().match(said)
        if found != call:
            wrong.append(f"{said}: {found} for {call}")
    assert wrong == []


def test_every_bundled_example_is_known_with_its_own_call() -> None:
    specs = bundled.registry().specs
    wrong = []
    for item in bundled.aligned():
        call = item.example.call if item.skill == "other" else specs[item.skill].canonical(item.example.call)
        found = bundled.book().match(item.example.text)
        if found != call:
            wrong.append(f"{item.example.text}: {found} for {call}")
    assert wrong == []


NEAR_MISSES = [
    "open the door",
    "open the window please",
    "google bought them in 2014",
    "the timer on the oven is broken",
    "weather permitting",
    "time after time",
    "i was in paris last week",
    "turn down the offer",
    "volume two of the encyclopedia",
    "news travels fast",
    "he plays for time",
    "that note was out of tune",
    "stop it",
    "call me later",
    "alarm bells were ringing",
    "what a story",
    "close the book",
    "set the table for five",
    "remind him of his manners",
    "search your feelings",
]


@pytest.mark.parametrize("said", NEAR_MISSES)
def test_stray_talk_is_no_phrase_of_the_bundled_skills(said: str) -> None:
    found = bundled.book().match(said)
    assert found is None or found == Call("other")


@given(st.text(max_size=80))
def test_any_text_has_an_answer(said: str) -> None:
    found = BOOK.match(said)
    assert found is None or found.name in {spec.name for spec in SPECS}


def test_a_very_long_text_is_no_phrase() -> None:
    assert BOOK.match("set a timer for " + "five minutes and " * 100) is None
    assert bundled.book().match("so " * 300) is None


def test_hot_words_have_the_programs_and_the_common_words() -> None:
    found = BOOK.hot_words()
    assert {"firefox", "gimp", "timer", "volume"} <= set(found)
    assert "a" not in found
    assert len(bundled.book().hot_words(25)) == 25


def test_the_cache_gives_the_same_book(tmp_path: Path) -> None:
    registry = Registry.of(SPECS)
    made = PhraseBook.open(registry, tmp_path / "cache")
    files = list((tmp_path / "cache").iterdir())
    assert [file.name for file in files] == [f"phrases-{registry.version}.json"]
    again = PhraseBook.open(registry, tmp_path / "cache")
    assert again.templates == made.templates == BOOK.templates
    assert [again.match(said) for said, _ in KNOWN] == [BOOK.match(said) for said, _ in KNOWN]


DAMAGED = ["", "nonsense", "{}x", "[1, 2]", '[["timer"]]', '[["timer", [["duration"]], []]]', "null", "[null]", "3"]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_cache_is_made_anew(tmp_path: Path, text: str) -> None:
    registry = Registry.of(SPECS)
    path = tmp_path / f"phrases-{registry.version}.json"
    path.write_text(text, encoding="utf-8")
    assert PhraseBook.open(registry, tmp_path).templates == BOOK.templates
    assert len(path.read_text(encoding="utf-8")) > 100


def test_a_cache_of_bytes_that_are_no_text_is_made_anew(tmp_path: Path) -> None:
    registry = Registry.of(SPECS)
    (tmp_path / f"phrases-{registry.version}.json").write_bytes(b"\xff\xfe\x00")
    assert PhraseBook.open(registry, tmp_path).templates == BOOK.templates


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert PhraseBook.open(Registry.of(SPECS), tmp_path / "file" / "cache").templates == BOOK.templates


def test_phrases_survive_their_json() -> None:
    phrases = list(phrases_of(SPECS))
    assert [type(phrase).from_json(phrase.to_json()) for phrase in phrases] == phrases


def test_the_router_of_phrases() -> None:
    router = PhraseRouter(Registry.of(SPECS))
    known, unknown = router.route("open firefox"), router.route("open the door")
    assert (known.calls, known.confidence, known.engine) == ((Call("runapp", {"program": "firefox"}),), 1.0, "phrases")
    assert (unknown.calls, unknown.confidence, unknown.acts) == ((Call("other"),), 0.5, False)
    router.update(Registry.of([taught(note, {"open firefox": 'note(text="firefox")'})]))
    assert router.route("open firefox").calls == (Call("note", {"text": "firefox"}),)
