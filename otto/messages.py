"""What one stage hands to the next. Units stand at each field; the negative of an outcome has its own name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otto.call import Call
from otto.errors import OttoError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

SAMPLE_RATE = 16_000  # Hz; everything after the audio stage is mono at this rate


@dataclass(frozen=True)
class AudioFrame:
    """A slice of sound as it arrives from a microphone or a file."""

    samples: Samples  # int16[n], 16 kHz mono
    start: float  # seconds since the source began


@dataclass(frozen=True)
class Sound:
    """Something to be played: a sentence, a chime."""

    samples: Samples  # int16[n], mono
    rate: int  # Hz

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Utterance:
    """The speech between two silences, as the end-pointer cut it out."""

    samples: Samples  # int16[n], 16 kHz mono
    start: float = 0.0  # seconds since the source began
    vad_ms: float = 0.0  # processing time of voice activity detection, milliseconds

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class SpeechGrammar:
    """All that may be said, for the closed-phrase engine."""

    jsgf: str  # JSpeech Grammar Format, one public rule, plain lower-case words
    words: tuple[str, ...]  # every word that the rules use


@dataclass(frozen=True)
class Transcript:
    """What the speech engine heard."""

    text: str
    engine: str
    ms: float  # recognition time, milliseconds
    confidence: float = 1.0  # 0 to 1, the engine's own
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotRecognized:
    """The speech engine heard nothing that it may hand on: silence, noise, or speech outside its grammar."""

    reason: str  # "silence", "no words", "outside the grammar", …
    engine: str
    ms: float  # recognition time, milliseconds
    heard: str = ""  # the nearest guess, for people to read; never routed


@dataclass(frozen=True)
class Route:
    """What the router made of a text. No skill fits: `calls == (Call("other"),)`."""

    text: str
    calls: tuple[Call, ...]
    confidence: float  # 0 to 1, calibrated: the share of such routes that are right
    engine: str
    ms: float  # wall time, milliseconds
    alternatives: tuple[tuple[Call, float], ...] = ()  # other readings with their confidence, best first
    timings: Mapping[str, float] = field(default_factory=dict)  # part of the engine → milliseconds
    doubt: Call | None = None  # beside `other()`: the command that may have been meant, to ask about
    invalid: str | None = None  # what a model answered where that is no valid call; `calls` is `other()` then

    @property
    def acts(self) -> bool:
        """True where a skill is to run."""
        return any(call.name != "other" for call in self.calls)


@dataclass(frozen=True)
class Reading:
    """What was understood of an utterance, before anything is done."""

    heard: Transcript | NotRecognized
    route: Route | None  # None where nothing was recognised
    timings: Mapping[str, float] = field(default_factory=dict)  # stage ("vad", "stt", "route") → milliseconds

    @property
    def text(self) -> str:
        """What was heard; of what was not recognised, the nearest guess."""
        return self.heard.heard if isinstance(self.heard, NotRecognized) else self.heard.text


@dataclass(frozen=True)
class Result:
    """What became of one call."""

    call: Call
    speech: str  # what to tell the user: the skill's own words, or the error's sentence
    ok: bool
    ms: float  # time in the skill, milliseconds
    error: OttoError | None = None
    undo: Any = None  # what the skill left for its undo (JSON), None where it cannot be undone
    said: bool = False  # the host has said the speech already, sentence by sentence, while it was coming


@dataclass(frozen=True)
class Turn:
    """One command from end to end, as the history keeps it."""

    heard: Transcript | NotRecognized
    route: Route | None  # None where nothing was recognised
    results: tuple[Result, ...] = ()  # empty in a dry run
    timings: Mapping[str, float] = field(default_factory=dict)  # stage ("vad", "stt", "route", "dispatch") → milliseconds
    id: int | None = None  # row in the history, None where it is not kept

    @property
    def acted(self) -> bool:
        return any(result.ok for result in self.results if result.call.name != "other")
