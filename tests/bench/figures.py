"""What the benchmark found out, before it is written down. Units stand at each field."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spread:
    """How a measure is spread, in the measure's own unit."""

    n: int
    least: float
    p50: float
    p95: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value; percentiles between two values are interpolated."""
        ordered = sorted(values)
        p95 = statistics.quantiles(ordered, n=20, method="inclusive")[-1] if len(ordered) > 1 else ordered[0]
        return cls(len(ordered), ordered[0], statistics.median(ordered), p95)


@dataclass(frozen=True)
class Run:
    """One process from its start to its end."""

    cpu: float  # milliseconds, all threads
    wall: float  # milliseconds
    peak: float  # MiB resident at most


@dataclass(frozen=True)
class Start:
    """A command, run several times."""

    what: str
    runs: tuple[Run, ...] = ()
    missing: str = ""  # why it could not be measured


@dataclass(frozen=True)
class Sample:
    """One sentence through one engine."""

    kind: str
    cpu: float  # milliseconds, all threads
    wall: float  # milliseconds


@dataclass(frozen=True)
class Warm:
    """An engine that is open and answers."""

    skills: int
    engine: str
    ready: float  # seconds until it was open and at rest, training included
    samples: tuple[Sample, ...] = ()
    missing: str = ""  # why it could not be measured

    def spread(self, measure: str, kinds: Sequence[str]) -> Spread:
        """The spread of "cpu" or "wall" over the sentences of some kinds."""
        return Spread.of(getattr(sample, measure) for sample in self.samples if sample.kind in kinds)


@dataclass(frozen=True)
class Score:
    """What an engine made of sentences that it had not seen."""

    engine: str
    commands: int
    exact: int  # of the commands: skill and arguments right
    skill: int  # of the commands: skill right
    missed: int  # of the commands: nothing was done
    stray: int  # sentences that are no command
    acted: int  # of the stray: something was done


@dataclass(frozen=True)
class Rate:
    """A share and its 95 % confidence interval, from 0 to 1."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Cited:
    """An engine's scores on one set of sentences, from the router's model card."""

    sentences: str  # what they are
    engine: str
    exact: Rate
    skill: Rate
    missed: Rate
    false_calls: Rate


@dataclass(frozen=True)
class Recall:
    """How often the right skill is among the first few that the retriever names."""

    what: str  # sentences, and what is known of the skills
    skills: int
    shown: int
    found: int
    n: int


@dataclass(frozen=True)
class Memory:
    """A process at rest after its first answers."""

    what: str
    resident: float = 0.0  # MiB
    own: float = 0.0  # MiB that no other process shares
    missing: str = ""


@dataclass(frozen=True)
class Heard:
    """One recording through the chain."""

    seconds: float  # of speech, as the end-pointer cut it
    cpu: float  # milliseconds, speech to text and router
    stt: float  # milliseconds
    route: float  # milliseconds; 0 where nothing was recognised
    right: bool  # the call is the expected one


@dataclass(frozen=True)
class Speech:
    """Recordings through the chain."""

    engine: str = ""
    router: str = ""
    recordings: int = 0
    ready: float = 0.0  # seconds until both engines were open
    silence: float = 0.0  # milliseconds of silence that end an utterance
    heard: tuple[Heard, ...] = ()  # every recording, once a pass
    missing: str = ""


@dataclass(frozen=True)
class Report:
    """All of it."""

    date: str
    command: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    origin: str  # where the skills beyond the bundled ones come from
    starts: tuple[Start, ...] = ()
    warm: tuple[Warm, ...] = ()
    templates: Mapping[str, int] = field(default_factory=dict)  # engine → templates
    scores: tuple[Score, ...] = ()
    card: tuple[Cited, ...] = ()
    recalls: tuple[Recall, ...] = ()
    memory: tuple[Memory, ...] = ()
    speech: Speech = Speech()
