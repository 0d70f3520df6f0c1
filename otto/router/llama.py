"""The embedded Llama: a small language model that reads the skills' signatures and writes a call under a grammar.

It runs as int8 ONNX. The keys and values of the skill list are computed once and reused; what the grammar leaves no choice
about is not asked of the model; and a text can only be words of the utterance.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.align import Span
from otto.call import Call
from otto.errors import ModelError, OttoError
from otto.grammar import span_grammar
from otto.messages import Route
from otto.prompt import embedded_prefix, embedded_suffix
from otto.registry import Registry
from otto.router.arguments import build_call
from otto.router.base import NOTHING
from otto.router.encoder import WEIGHTS
from otto.router.onnx import MEND, open_session
from otto.router.retriever import Retriever
from otto.skill import OTHER, SkillSpec
from otto.words import split_words

if TYPE_CHECKING:
    from otto.config import Settings

EOS = "<eos>"
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


@dataclass(frozen=True)
class _Prefix:
    """A skill list that the model has read."""

    length: int  # tokens
    cache: dict[str, Any]  # past_key_values.* → OrtValue


class Llama:
    """The model's files and its tokenizer.

    Raises:
        ModelError: a file is missing or damaged.
    """

    def __init__(self, folder: Path = WEIGHTS) -> None:
        import llguidance
        from tokenizers import Tokenizer

        self._session = open_session(folder / "llama.onnx")
        try:
            stored = json.loads((folder / "llama.json").read_text(encoding="utf-8"))
            text = json.dumps(stored["tokenizer"])
            self._tokenizer = Tokenizer.from_str(text)
            self._end = self._tokenizer.token_to_id(stored.get("eos", EOS))
            self._guide = llguidance.LLTokenizer(text, eos_token=self._end)
            self._sizes = stored["sizes"]
        except Exception as error:  # noqa: BLE001  the tokenizer libraries raise bare Exception
            raise ModelError(f"The model's file llama.json cannot be read ({error})", MEND) from None
        self._outputs = [output.name for output in self._session.get_outputs()]

    def read(self, specs: Sequence[SkillSpec]) -> _Prefix:
        """Have the model read a skill list."""
        ids = self._tokenizer.encode(embedded_prefix(specs)).ids
        _, cache = self._run(ids, 0, self._empty_cache())
        return _Prefix(len(ids), cache)

    def complete(self, prompt: str, most: int) -> str:
        """What the model writes behind a prompt, of `most` tokens: greedily, under no grammar."""
        ids = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        past, cache = 0, self._empty_cache()
        written: list[int] = []
        while len(written) < most:
            logits, cache = self._run(ids, past, cache)
            past += len(ids)
            best = int(logits.argmax())
            if best == self._end:
                break
            written.append(best)
            ids = [best]
        return str(self._tokenizer.decode(written, skip_special_tokens=False))

    def write(self, specs: Sequence[SkillSpec], prefix: _Prefix, text: str) -> Reading:
        """The call that the model writes for a text, greedily, under the grammar of the skills and the text's words."""
        import llguidance
        import llguidance.numpy
        import numpy as np

        words = [word.text for word in split_words(text)[:MAX_WORDS]]
        said = " ".join(words)
        matcher = llguidance.LLMatcher(self._guide, llguidance.LLMatcher.grammar_from_lark(span_grammar(specs, said, checked=False)))
        ids = self._tokenizer.encode(embedded_suffix(said)).ids
        past, cache = prefix.length, prefix.cache
        mask = llguidance.numpy.allocate_token_bitmask(1, self._guide.vocab_size)
        written: list[int] = []
        total, choices = 0.0, 0
        while len(written) < MAX_TOKENS:
            forced = matcher.compute_ff_tokens()
            if forced:
                matcher.consume_tokens(forced)
                written += forced
                ids = [*ids, *forced]
            if matcher.is_stopped():
                break
            logits, cache = self._run(ids, past, cache)
            past += len(ids)
            llguidance.numpy.fill_next_token_bitmask(matcher, mask, 0)
            allowed = np.unpackbits(mask[0].view(np.uint8), bitorder="little")[: len(logits)].astype(bool)
            logits = np.where(allowed, logits, -np.inf)
            best = int(logits.argmax())
            total += float(logits[best] - _log_sum(logits))
            choices += 1
            matcher.consume_token(best)
            written.append(best)
            ids = [best]
        return self._reading(self._tokenizer.decode(written, skip_special_tokens=True), words, total, choices)

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

    def _run(self, ids: Sequence[int], past: int, cache: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The logits after the last token, float32[vocabulary], and the cache with these tokens."""
        import numpy as np
        import onnxruntime

        inputs = dict(cache)
        inputs["input_ids"] = onnxruntime.OrtValue.ortvalue_from_numpy(np.array([ids], np.int64))
        inputs["attention_mask"] = onnxruntime.OrtValue.ortvalue_from_numpy(np.ones((1, past + len(ids)), np.int64))
        found = dict(zip(self._outputs, self._session.run_with_ort_values(self._outputs, inputs), strict=True))
        logits = found.pop("logits").numpy()[0, -1].astype(np.float32)
        return logits, {name.replace("present", "past_key_values"): value for name, value in found.items()}

    def _empty_cache(self) -> dict[str, Any]:
        import numpy as np
        import onnxruntime

        shape = (1, self._sizes["key_value_heads"], 0, self._sizes["head_size"])
        empty = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
        return {f"past_key_values.{layer}.{part}": empty for layer in range(self._sizes["layers"]) for part in ("key", "value")}


class LlamaReader:
    """The Llama with the list of the installed skills read once."""

    def __init__(self, specs: Sequence[SkillSpec], folder: Path = WEIGHTS) -> None:
        self._llama = Llama(folder)
        self.update(specs)

    def update(self, specs: Sequence[SkillSpec]) -> None:
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

    def call(self, reading: Reading, text: str) -> Call | None:
        """The canonical call of a reading; None where its words are not what the parameters take."""
        if reading.skill not in self._specs:
            return NOTHING
        return build_call(self._specs[reading.skill], text, split_words(text), reading.fixed, reading.spans)


class LlamaRouter:
    """The Llama alone."""

    name = "llama"

    def __init__(self, registry: Registry, settings: Settings | None = None) -> None:
        self._reader = LlamaReader(list(registry))

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self._reader.update(list(registry))

    def route(self, text: str) -> Route:
        """The call that the model writes; `other()` where its words fit no parameter. The confidence is the model's own."""
        started = time.perf_counter()
        if not split_words(text):
            return Route(text, (NOTHING,), 1.0, self.name, 0.0)
        reading = self._reader.write(text)
        call = self._reader.call(reading, text)
        confidence = math.exp(reading.log_probability) if call else 0.0
        return Route(text, (call or NOTHING,), confidence, self.name, (time.perf_counter() - started) * 1000)


def _place(said: str, words: Sequence[str], taken: Sequence[Span]) -> tuple[int, int] | None:
    """Where in the words a text stands: first at a place that no other argument has."""
    wanted = said.split()
    places = [(at, at + len(wanted) - 1) for at in range(len(words) - len(wanted) + 1) if list(words[at : at + len(wanted)]) == wanted]
    free = [place for place in places if not any(span.first <= place[1] and place[0] <= span.last for span in taken)]
    return next(iter(free or places), None)


def _log_sum(logits: Any) -> float:
    """log of the sum of exponentials of float32[n]."""
    import numpy as np

    top = float(logits.max())
    return top + math.log(float(np.exp(logits - top).sum()))
