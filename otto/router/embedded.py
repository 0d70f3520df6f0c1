"""The default router: the PhraseBook first, then the two small models that check each other.

The tagger proposes a command. How sure it is of it, and what the Llama wrote for the same words, go into logistic
regressions that were fitted on sentences which neither model had seen: the probability that a command is meant decides whether
Otto acts, the probability that it is this one is the route's confidence.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.call import Call
from otto.errors import ModelError
from otto.messages import Route
from otto.phrases import PhraseBook
from otto.registry import Registry
from otto.router.base import NOTHING
from otto.router.encoder import WEIGHTS
from otto.router.learning import TaggerSource
from otto.router.llama import MOST_LISTED, LlamaReader, Reading
from otto.router.onnx import MEND
from otto.router.tagger import Guess, Tagger
from otto.skill import OTHER, SkillSpec
from otto.words import split_words

if TYPE_CHECKING:
    from otto.config import Settings

LONGEST = 60  # words; what is longer is a speech and no command
DOUBT = 0.5  # the probability that a command is meant from which on it is worth asking
LLAMA_ALONE = 0.9  # the Llama's own probability from which on a skill that the tagger has not learnt yet is called


@dataclass(frozen=True)
class Evidence:
    """What the models say of a sentence: the features of the calibration, in a fixed order."""

    margin: float  # the tagger's, of the command
    lead: float  # over the next command
    over_other: float  # over other()
    spans: float  # log probability of the spans
    valid: float  # 1 where the spans make a valid call
    same_skill: float  # 1 where the Llama names the same skill
    same_call: float  # 1 where it writes the same call
    llama_other: float  # 1 where it writes other()
    llama: float  # log probability of what it wrote, a choice
    words: float  # log of the number of words

    @classmethod
    def of(cls, guess: Guess, call: Call | None, reading: Reading, written: Call | None, words: int) -> Evidence:
        return cls(
            margin=guess.margin,
            lead=min(guess.margin - guess.second, 3.0),
            over_other=guess.margin - guess.other,
            spans=max(math.log(max(guess.span_probability, 1e-6)), -6.0),
            valid=float(call is not None),
            same_skill=float(reading.skill == guess.label.skill),
            same_call=float(call is not None and call == written),
            llama_other=float(reading.skill == OTHER),
            llama=max(reading.log_probability, -6.0),
            words=math.log(max(words, 1)),
        )

    def values(self) -> tuple[float, ...]:
        """The features as numbers, in the order of the fields."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class Logistic:
    """A logistic regression of Evidence."""

    weights: tuple[float, ...]
    bias: float

    def probability(self, evidence: Evidence) -> float:
        score = self.bias + sum(weight * value for weight, value in zip(self.weights, evidence.values(), strict=True))
        return 1 / (1 + math.exp(-max(min(score, 40.0), -40.0)))


@dataclass(frozen=True)
class Calibration:
    """What the evidence is worth: whether a command is meant at all decides if Otto acts, whether it is this one is the confidence."""

    meant: Logistic
    right: Logistic
    threshold: float  # of `meant`, from which on the router acts

    @classmethod
    def load(cls, path: Path = WEIGHTS / "calibration.json") -> Calibration:
        """Raises ModelError where the file is missing or damaged."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            meant, right = (_logistic(stored[name]) for name in ("meant", "right"))
            return cls(meant, right, float(stored["threshold"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The router's {path.name} cannot be read ({error})", MEND) from None


def _logistic(stored: Mapping[str, Any]) -> Logistic:
    return Logistic(tuple(float(stored["weights"][name]) for name in Evidence.__dataclass_fields__), float(stored["bias"]))


def proposed(guess: Guess, reading: Reading, written: Call | None, tagger: Tagger, specs: Mapping[str, SkillSpec], text: str) -> Call | None:
    """The tagger's command; where its words do not fit and the Llama means the same command, the Llama's."""
    call = tagger.call(guess.label, guess.spans, specs, text)
    if call is None and written and reading.skill == guess.label.skill and set(guess.label.fixed) <= set(reading.fixed):
        return written
    return call


class EmbeddedRouter:
    """Known phrases at once; everything else by the tagger and the Llama together."""

    name = "embedded"

    def __init__(self, registry: Registry, settings: Settings | None = None) -> None:
        self._calibration = Calibration.load()
        self._source = TaggerSource(registry, settings)
        self._llama = LlamaReader(list(registry))
        self._cache = settings.paths.cache if settings else None
        self._book = PhraseBook.open(registry, self._cache)

    @property
    def learning(self) -> bool:
        """Whether the shipped tagger still answers, and one of the installed skills is being trained."""
        return self._source.learning

    def update(self, registry: Registry) -> None:
        """Take up changed skills: the phrases and the Llama know them at once, the tagger when it has learnt them."""
        self._source.update(registry)
        self._llama.update(list(registry))
        self._book = PhraseBook.open(registry, self._cache)

    def route(self, text: str) -> Route:
        """The call that is meant, or `other()`."""
        started = time.perf_counter()
        words = split_words(text)
        if not words or len(words) > LONGEST:
            return self._route(text, NOTHING, 1.0, "embedded", started)
        known = self._book.match(text)
        if known is not None:
            return self._route(text, known, 1.0, "phrases", started)
        guess = self._source.tagger.guess([word.text for word in words])
        tagged = time.perf_counter()
        reading = self._llama.write(text, self._likely(guess))
        written = self._llama.call(reading, text)
        timings = {"tagger": (tagged - started) * 1000, "llama": (time.perf_counter() - tagged) * 1000}
        if written and self._is_new(reading.skill):
            probability = math.exp(reading.log_probability)
            acts = probability >= LLAMA_ALONE
            return self._decided(text, written, probability, acts, [], started, timings)
        call = proposed(guess, reading, written, self._source.tagger, self._source.specs, text)
        evidence = Evidence.of(guess, call, reading, written, len(words))
        meant = self._calibration.meant.probability(evidence)
        right = self._calibration.right.probability(evidence)
        others = self._other_readings(guess, call, written, text)
        route = self._decided(text, call, right, meant >= self._calibration.threshold, others, started, timings)
        return replace(route, doubt=call) if call and not route.acts and meant >= DOUBT else route

    def _decided(
        self, text: str, call: Call | None, right: float, acts: bool, others: Sequence[Call], started: float, timings: Mapping[str, float]
    ) -> Route:
        """The command if it is to be acted on, else `other()` with the command as the first alternative."""
        readings = [(other, 0.0) for other in others]
        if call is not None and acts:
            return self._route(text, call, right, self.name, started, tuple(readings), timings)
        return self._route(text, NOTHING, 1 - right, self.name, started, (*([(call, right)] if call else []), *readings), timings)

    def _route(
        self,
        text: str,
        call: Call,
        confidence: float,
        engine: str,
        started: float,
        others: tuple[tuple[Call, float], ...] = (),
        timings: Mapping[str, float] | None = None,
    ) -> Route:
        return Route(text, (call,), confidence, engine, (time.perf_counter() - started) * 1000, others, timings or {})

    def _is_new(self, skill: str) -> bool:
        """Whether a skill is installed and the tagger has not learnt it yet."""
        return skill in self._source.specs and skill != OTHER and skill not in self._source.tagger.skills

    def _likely(self, guess: Guess) -> Sequence[str]:
        """The skills that the Llama is shown where there are too many to show them all: the tagger's first, and those that it has not learnt."""
        learnt = [guess.label.skill, *(label.skill for label, _ in guess.runners_up)]
        new = [name for name in self._source.specs if self._is_new(name)]
        return list(dict.fromkeys([*learnt, *new]))[:MOST_LISTED]

    def _other_readings(self, guess: Guess, call: Call | None, written: Call | None, text: str) -> list[Call]:
        """What else could be meant, to offer when it was not this."""
        found = [written] if written and written != call and written.name != OTHER else []
        for label, _ in guess.runners_up[:1]:
            spans, _ = self._source.tagger.spans([word.text for word in split_words(text)], label)
            other = self._source.tagger.call(label, spans, self._source.specs, text)
            if other and other not in (call, *found):
                found.append(other)
        return found
