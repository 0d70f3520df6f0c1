"""A made-up assistant: few skills, few examples, and sentences of the same kind that no example has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from otto import Call, Duration, Location
from otto.registry import Registry
from otto.skill import Example, SkillSpec, declare


def timer(duration: Duration) -> None:
    """Set a timer."""


def weather(location: Location | None = None) -> None:
    """Tell the weather."""


def volume(action: Literal["up", "down", "set"], level: Annotated[int, Field(ge=0, le=100)] | None = None) -> None:
    """Change the volume."""


def note(text: str) -> None:
    """Write something down."""


def other() -> None:
    """No skill fits."""


def taught(target: Callable[..., None], examples: dict[str, str]) -> SkillSpec:
    """The skill with examples."""
    return replace(declare(target), examples=tuple(Example(said, Call.parse(call)) for said, call in examples.items()))


def skills() -> list[SkillSpec]:
    """The skills of the made-up assistant."""
    return [
        taught(
            timer,
            {
                "set a timer for five minutes": 'timer(duration="5 minutes")',
                "start a timer for one hour": 'timer(duration="1 hour")',
                "timer for twenty seconds": 'timer(duration="20 seconds")',
                "count down from ten minutes": 'timer(duration="10 minutes")',
                "i need a timer for half an hour": 'timer(duration="30 minutes")',
                "give me a two minute timer": 'timer(duration="2 minutes")',
                "set a timer for ninety seconds please": 'timer(duration="1 minute 30 seconds")',
            },
        ),
        taught(
            weather,
            {
                "how is the weather": "weather()",
                "what's the weather like today": "weather()",
                "will it rain": "weather()",
                "how is the weather in berlin": 'weather(location="Berlin")',
                "what's the weather in new york": 'weather(location="New York")',
                "will it rain in london": 'weather(location="London")',
                "is it cold in oslo": 'weather(location="Oslo")',
                "weather forecast for madrid": 'weather(location="Madrid")',
                "weather in rome": 'weather(location="Rome")',
            },
        ),
        taught(
            volume,
            {
                "louder": 'volume(action="up")',
                "turn it up": 'volume(action="up")',
                "turn the volume up": 'volume(action="up")',
                "quieter please": 'volume(action="down")',
                "turn the volume down": 'volume(action="down")',
                "turn it down": 'volume(action="down")',
                "set the volume to thirty": 'volume(action="set", level=30)',
                "volume to fifty percent": 'volume(action="set", level=50)',
                "make the volume ten": 'volume(action="set", level=10)',
            },
        ),
        taught(
            note,
            {
                "note that the plumber comes at nine": 'note(text="the plumber comes at nine")',
                "make a note to call mum": 'note(text="call mum")',
                "write down buy milk and bread": 'note(text="buy milk and bread")',
                "take a note return the library books": 'note(text="return the library books")',
                "make a note to water the plants": 'note(text="water the plants")',
            },
        ),
        taught(
            other,
            dict.fromkeys(
                (
                    "i went to the shop yesterday", "the dog is asleep", "she said it was fine", "what a lovely painting",
                    "we should paint the fence", "he never calls me back", "the train was late again", "pass me the salt",
                    "did you see the game", "my brother lives in berlin", "it took us five minutes to get there",
                    "the volume of a sphere is hard to remember", "he wrote a note to his teacher", "that was a long time ago",
                ),
                "other()",
            ),
        ),
    ]  # fmt: skip


def registry() -> Registry:
    """The made-up assistant."""
    return Registry.of(skills())


UNSEEN = [
    # said, call: values and combinations that no example has
    ("set a timer for seven minutes", 'timer(duration="7 minutes")'),
    ("start a timer for 2 hours and 15 minutes", 'timer(duration="2 hours 15 minutes")'),
    ("i need a timer for forty seconds", 'timer(duration="40 seconds")'),
    ("how is the weather in lisbon", 'weather(location="Lisbon")'),
    ("will it rain in san francisco", 'weather(location="San Francisco")'),
    ("is it cold in reykjavik", 'weather(location="Reykjavik")'),
    ("set the volume to eighty", 'volume(action="set", level=80)'),
    ("make a note to feed the cat", 'note(text="feed the cat")'),
    ("make a note to cancel the gym", 'note(text="cancel the gym")'),
]
