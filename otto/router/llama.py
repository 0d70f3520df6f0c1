"""The embedded Llama: a small language model that reads the skills' signatures and writes a call under a grammar.

It runs as int8 ONNX. The keys and values of the skill list are computed once and reused; what the grammar leaves no choice
about is not asked of the model; and a text can only be words of the utterance.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.align import Span
from otto.call import Call
from otto.errors import ModelError, OttoError
from otto.grammar import span_grammar
from otto.messages import Route
from otto.prompt import embedded_prefix, embedded_suffix, read_own
from otto.registry import Registry
from otto.router.arguments import build_call
from otto.router.base import NOTHING
from otto.router.causal import EMBEDDED, CausalModel, Prefix
from otto.router.encoder import WEIGHTS
from otto.router.prompted import PromptedLlama
from otto.router.retriever import Retriever
from otto.skill import OTHER, SkillSpec
from otto.words import split_words

if TYPE_CHECKING:
    from otto.config import Settings

MAX_TOKENS = 96  # of a call
MAX_WORDS = 80  # of an utterance that is read to its end
MOST_LISTED = 24  # skills in the cached list; with more, the model is shown the likely ones
LIKELY = 8  # skills


@dataclass(frozen=True)
class Reading:
    """What the model wrote: a call whose texts are spans of the words."""

    skill: str
    spans: tuple[Span, ...]
    fixed: tuple[tuple[str, Any], ...]
    log_probability: float  # of the tokens that the model chose, in nats
    choices: int  # tokens that it chose; the others were forced by the grammar


class Llama:
    """The model, asked with the embedded prompt.

    Raises:
        ModelError: a file is missing or damaged.
        UsageError: it was tuned with another prompt.
    """

    def __init__(self, weights: Path | CausalModel = WEIGHTS) -> None:
        self._model = weights if isinstance(weights, CausalModel) else CausalModel(weights)
        self._model.require_prompt(EMBEDDED)

    def read(self, specs: Sequence[SkillSpec]) -> Prefix:
        """Have the model read a skill list."""
        return self._model.read(self._model.encode(embedded_prefix(specs)))

    def write(self, specs: Sequence[SkillSpec], prefix: Prefix, text: str) -> Reading:
        """The call that the model writes for a text, greedily, under the grammar of the skills and the text's words."""
        words = [word.text for word in split_words(text)[:MAX_WORDS]]
        said = " ".join(words)
        ids = self._model.encode(embedded_suffix(said))
        written = self._model.write(span_grammar(specs, said, checked=False), ids, prefix, MAX_TOKENS)
        return self._reading(written.text, words, written.log_probability, written.choices)

    def _reading(self, text: str, words: Sequence[str], log_probability: float, choices: int) -> Reading:
        try:
            call = Call.parse(text)
        except OttoError:  # cut off at MAX_TOKENS
            return Reading(OTHER, (), (), -math.inf, choices)
        spans: list[Span] = []
        fixed: list[tuple[str, Any]] = []
        for name, value in call.arguments.items():
            for item in value if isinstance(value, list) else [value]:
                span = _place(item, words, spans) if isinstance(item, str) and item.startswith(" ") else None
                if span is None:
                    fixed.append((name, item))
                else:
                    spans.append(Span(name, *span))
        return Reading(call.name, tuple(spans), tuple(fixed), log_probability, choices)


class LlamaReader:
    """The Llama with the list of the installed skills read once."""

    def __init__(self, specs: Iterable[SkillSpec], weights: Path | CausalModel = WEIGHTS) -> None:
        self._llama = Llama(weights)
        self.update(specs)

    def update(self, specs: Iterable[SkillSpec]) -> None:
        """Take up changed skills."""
        self._specs = {spec.name: spec for spec in specs if spec.name != OTHER}
        listed = list(self._specs.values())
        self._prefix = self._llama.read(listed) if len(listed) <= MOST_LISTED else None
        self._retriever = Retriever(listed)

    def write(self, text: str, likely: Sequence[str] = ()) -> Reading:
        """The model's reading of a text. With more than MOST_LISTED skills it is shown only the `likely` ones, or those that it retrieves."""
        if self._prefix is not None:
            return self._llama.write(list(self._specs.values()), self._prefix, text)
        shown = [self._specs[name] for name in likely or self._retriever.nearest(text, LIKELY) if name in self._specs]
        return self._llama.write(shown, self._llama.read(shown), text)

    def route(self, text: str, name: str) -> Route:
        """The call that the model writes, as the route of a router."""
        started = time.perf_counter()
        reading = self.write(text)
        call = self.call(reading, text)
        confidence = math.exp(reading.log_probability) if call else 0.0
        return Route(text, (call or NOTHING,), confidence, name, (time.perf_counter() - started) * 1000)

    def call(self, reading: Reading, text: str) -> Call | None:
        """The canonical call of a reading; None where its words are not what the parameters take."""
        if reading.skill not in self._specs:
            return NOTHING
        return build_call(self._specs[reading.skill], text, split_words(text), reading.fixed, reading.spans)


class LlamaRouter:
    """The Llama alone: the shipped one, or one that `otto finetune export` wrote, asked with the prompt that it was tuned with."""

    name = "llama"

    def __init__(self, registry: Registry, settings: Settings | None = None) -> None:
        """Loads the model.

        Raises:
            ModelError: the weights are not there, or damaged.
            UsageError: they were tuned with another prompt than they would be asked with.
        """
        model = CausalModel(_weights(settings))
        self._engine: LlamaReader | PromptedLlama
        if model.family == EMBEDDED:
            self._engine = LlamaReader(list(registry), model)
        else:
            own = read_own(settings.router.prompt if settings else "", model.family, model.folder.name)
            model.require_prompt(model.family, own)
            self._engine = PromptedLlama(registry, model, own)

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self._engine.update(registry)

    def route(self, text: str) -> Route:
        """The call that the model writes; `other()` where its words fit no parameter. The confidence is the model's own."""
        if not split_words(text):
            return Route(text, (NOTHING,), 1.0, self.name, 0.0)
        return self._engine.route(text, self.name)


def _weights(settings: Settings | None) -> Path:
    """The folder of the model: the one in the settings where they are for this router, else what Otto ships."""
    if settings is None or settings.router.engine != LlamaRouter.name or not settings.router.model:
        return WEIGHTS
    folder = settings.paths.models / Path(settings.router.model).expanduser()
    if not (folder / "llama.onnx").is_file():
        mend = "export it with `otto finetune export RUN --to onnx`, or choose another with `otto config set router.model FOLDER`"
        raise ModelError(f"There is no model of the router llama in {folder}", mend)
    return folder


def _place(said: str, words: Sequence[str], taken: Sequence[Span]) -> tuple[int, int] | None:
    """Where in the words a text stands: first at a place that no other argument has."""
    wanted = said.split()
    places = [(at, at + len(wanted) - 1) for at in range(len(words) - len(wanted) + 1) if list(words[at : at + len(wanted)]) == wanted]
    free = [place for place in places if not any(span.first <= place[1] and place[0] <= span.last for span in taken)]
    return next(iter(free or places), None)
