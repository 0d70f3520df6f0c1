"""What Whisper writes where nobody spoke: stock phrases of its training, the words it was told to expect, loops, and guesses.

The thresholds of no_speech_prob, avg_logprob and compression_ratio are those of OpenAI's whisper/transcribe.py, a little stricter, for a
command that was lost is said again and one that nobody gave is not forgiven.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

NO_SPEECH = 0.6  # probability of no speech from which the text needs to be a sure one
SURE = -0.4  # mean log likelihood of a token above which the text counts although it may be no speech
LIKELY = -1.0  # mean log likelihood of a token below which the text is a guess
COMPRESSION = 2.4  # zlib's, of the text; only a long loop gets there
LOOP = 4  # times in a row that no one says a thing
ECHO = 3  # words in a row of the prompt that no one says by chance
TOKENS_A_SECOND, FIRST_TOKENS = 8, 6  # nobody says more

# What subtitles of videos end with. None of them asks for anything.
_STOCK = re.compile(
    "|".join(
        [
            r"(thanks|thank you)( so| very)?( much)?( all| everyone| guys)?( (for|to) .*(watching|listening|viewing|subscribing|video|support).*)?",
            r"you|bye( bye)*|goodbye|the end|applause|laughter|silence|blank audio|inaudible|foreign",
            r"(so |and )?(i will |i'll |we'll )?see you (in the )?next (time|video|one|week).*",
            r"(please )?(like and|don't forget to)? ?subscribe.*",
            r"(subtitles?|captions?|transcription|transcript)( created| provided)? (by|outsourcing) .*|.*amara org( community)?",
            r"h*m+|u[hm]+|a+h+|o+h+",
        ]
    )
)


@dataclass(frozen=True)
class Heard:
    """A text and what Whisper itself thinks of it."""

    text: str
    seconds: float  # of the sound
    tokens: int
    likelihood: float  # mean log likelihood of a token
    no_speech: float  # probability, 0 to 1
    compression: float


def doubt(heard: Heard, prompt: str = "") -> str:
    """Why nobody said this, "" where there is no reason to doubt it. `prompt` is what Whisper was told to expect."""
    words = _words(heard.text)
    if not words:
        return "no words"
    if _STOCK.fullmatch(" ".join(words)):
        return "a stock phrase of silence"
    if heard.compression > COMPRESSION or _loops(words):
        return "the same again and again"
    if heard.no_speech > NO_SPEECH and heard.likelihood < SURE:
        return "no speech"
    if heard.likelihood < LIKELY:
        return "not understood"
    if heard.tokens > TOKENS_A_SECOND * heard.seconds + FIRST_TOKENS:
        return "more words than time"
    if _echoes(words, _words(prompt)):
        return "an echo of the expected words"
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))


def _loops(words: Sequence[str]) -> bool:
    """Whether one to four words come so many times in a row."""
    for size in range(1, 5):
        for start in range(len(words) - size * LOOP + 1):
            part = words[start : start + size]
            if all(words[start + size * turn : start + size * (turn + 1)] == part for turn in range(1, LOOP)) and not _counts(part):
                return True
    return False


def _counts(part: Sequence[str]) -> bool:
    """Whether it is a number: a telephone number may have the same digit four times."""
    return len(part) == 1 and (part[0].isdigit() or part[0] in _DIGITS)


_DIGITS = frozenset("zero oh one two three four five six seven eight nine".split())


def _echoes(words: Sequence[str], prompt: Sequence[str]) -> bool:
    """Whether the words are a run of the prompt, in its order."""
    if len(words) < ECHO:
        return False
    return any(list(prompt[start : start + len(words)]) == list(words) for start in range(len(prompt) - len(words) + 1))
