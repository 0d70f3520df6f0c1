"""What Whisper writes where nobody spoke is told from what somebody said. The stock phrases are those that users of Whisper report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otto.stt.hallucination import Heard, doubt

SAID = Heard("What's the weather in Berlin?", seconds=2.0, tokens=8, likelihood=-0.2, no_speech=0.02, compression=0.8)
HOT_WORDS = "timer, minutes, weather, alarm, Spotify, Visual Studio Code"


@pytest.mark.parametrize(
    "text",
    [
        "What's the weather in Berlin?",
        "Set a timer for five minutes.",
        "No, no, no.",  # three times is emphasis
        "Stop!",
        "Yes.",
        "Okay.",
        "Timer.",  # one hot word is a command
        "Open Visual Studio Code.",
        "What is five five five five plus one?",  # the digits of a number
        "Note down: say thank you to the lady",
        "Thank you, and set an alarm for seven",
        "Music, please.",
        "Search the web for how to subscribe to a newsletter",
        "2 + 2",
    ],
)
def test_what_was_said_is_taken(text: str) -> None:
    assert doubt(replace(SAID, text=text), HOT_WORDS) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Thank you.",
        "Thanks.",
        "Thank you very much.",
        "Thank you so much for watching!",
        "Thanks for watching!",
        "Thank you for watching, and don't forget to like and subscribe.",
        "Please subscribe to my channel.",
        "Subscribe!",
        "Like and subscribe.",
        "See you next time.",
        "So I'll see you in the next video, bye.",
        "Bye. Bye. Bye.",
        "you",
        "Subtitles by the Amara.org community",
        "Transcription by CastingWords",
        "Mmm.",
        "Uh",
    ],
)
def test_stock_phrases_are_silence_however_sure_whisper_is(text: str) -> None:
    assert doubt(replace(SAID, text=text, likelihood=-0.01, no_speech=0.0)) == "a stock phrase of silence"


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (replace(SAID, text=""), "no words"),
        (replace(SAID, text=" . . ."), "no words"),
        (replace(SAID, text="♪ ♪"), "no words"),
        (replace(SAID, text="go go go go"), "the same again and again"),
        (replace(SAID, text="I'm sorry. I'm sorry. I'm sorry. I'm sorry."), "the same again and again"),
        (replace(SAID, text="set a timer set a timer set a timer set a timer"), "the same again and again"),
        (replace(SAID, compression=2.5), "the same again and again"),
        (replace(SAID, no_speech=0.7, likelihood=-0.5), "no speech"),
        (replace(SAID, no_speech=0.99, likelihood=-0.5), "no speech"),
        (replace(SAID, no_speech=0.7, likelihood=-0.3), ""),  # sure of its words
        (replace(SAID, no_speech=0.5, likelihood=-0.9), ""),
        (replace(SAID, likelihood=-1.01), "not understood"),
        (replace(SAID, seconds=0.2), "more words than time"),
        (replace(SAID, text="timer minutes weather"), "an echo of the expected words"),
        (replace(SAID, text="Weather, alarm, Spotify, Visual Studio"), "an echo of the expected words"),
        (replace(SAID, text="weather timer minutes"), ""),  # not as it stands there
        (replace(SAID, text="alarm spotify"), ""),
    ],
)
def test_each_reason(heard: Heard, reason: str) -> None:
    assert doubt(heard, HOT_WORDS) == reason
