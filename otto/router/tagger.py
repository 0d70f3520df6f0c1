"""The tagger: a linear classifier of the whole sentence and a conditional random field for the spans of its arguments.

Both are trained in seconds from the examples of the installed skills, so that a new skill's examples count at once. The classifier
is a linear support vector machine (Fan et al. 2008, LIBLINEAR) on n-grams of words and letters and on the sentence encoder's
vector; the spans are a linear-chain CRF a skill (Lafferty et al. 2001; Okazaki's CRFsuite).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.align import Span
from otto.call import Call
from otto.errors import ModelError
from otto.router.arguments import build_call
from otto.router.encoder import Encoder, shared_encoder
from otto.router.features import grams
from otto.router.lessons import Label, Lesson
from otto.router.spans import SpanModel, train_spans
from otto.skill import OTHER, SkillSpec
from otto.words import split_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

FORMAT = 5  # of the stored file; a change makes old caches unread
VECTOR_WEIGHT = 1.6  # of the encoder's vector beside the two n-gram blocks, each of length 1
RUNNERS_UP = 2
NEVER = -3.0  # the margin of a label that there is not
FLOOR = -0.5  # a margin below which a sentence is like nothing that was learnt
OFTEN = 0.05  # the share of a label's sentences from which on a parameter is looked for
ALWAYS = 0.95  # and from which on a call without it is none
COST = 2.0  # of a training error, LIBLINEAR's C


@dataclass(frozen=True)
class Guess:
    """The tagger's reading of a sentence: the most likely command, and how it stands beside `other()` and the next one."""

    label: Label  # never that of other()
    spans: tuple[Span, ...]
    margin: float  # of the label, the signed distance from the plane that parts it from all others
    second: float  # the margin of the next command
    other: float  # the margin of other()
    span_probability: float  # of the spans as a whole, given the label
    runners_up: tuple[tuple[Label, float], ...]  # next commands with their margins, best first

    @property
    def acts(self) -> bool:
        """Whether the tagger alone would act."""
        return self.margin > max(self.other, FLOOR)


class Tagger:
    """A trained tagger. `Tagger.train` makes one, `Tagger.load` reads one."""

    def __init__(
        self,
        labels: Sequence[Label],
        keys: Any,
        idf: Any,
        weights: Any,
        bias: Any,
        spans: Mapping[str, SpanModel],
        shares: Mapping[Label, Mapping[str, float]],
        encoder: Encoder,
    ) -> None:
        self._encoder = encoder
        self._shares = shares
        self.labels = tuple(labels)
        self._keys, self._idf, self._weights, self._bias = keys, idf, weights, bias
        self._spans = spans
        self._other = next((index for index, label in enumerate(self.labels) if label.skill == OTHER), None)

    @cached_property
    def skills(self) -> frozenset[str]:
        """The skills that were learnt."""
        return frozenset(label.skill for label in self.labels)

    @classmethod
    def train(cls, lessons: Sequence[Lesson], encoder: Encoder | None = None) -> Tagger:
        """Learn from lessons; some seconds for a few thousand of them. Sentences are also seen through the encoder, the shipped one by default."""
        encoder = encoder or shared_encoder()
        import numpy as np
        from sklearn.svm import LinearSVC

        labels = sorted({lesson.label for lesson in lessons}, key=str)
        if len(labels) < 2:
            labels = [*labels, Label(OTHER)] if labels and labels[0].skill != OTHER else [Label(OTHER), Label("")]
            lessons = [*(lessons or [Lesson((), labels[0])]), Lesson(("",), labels[1])]
        counted = [grams(lesson.words) for lesson in lessons]
        keys, idf = _vocabulary(counted)
        matrix = _sparse(counted, keys, idf)
        vectors = encoder.vectors([" ".join(lesson.words) for lesson in lessons]) * VECTOR_WEIGHT
        numbers = {label: number for number, label in enumerate(labels)}
        from scipy.sparse import csr_matrix, hstack

        machine = LinearSVC(C=COST, random_state=0)
        machine.fit(hstack([matrix, csr_matrix(vectors)]).tocsr(), [numbers[lesson.label] for lesson in lessons])
        weights, bias = machine.coef_.T, machine.intercept_
        if len(labels) == 2:  # LIBLINEAR keeps one plane for two classes
            weights, bias = np.hstack([-weights, weights]), np.concatenate([-bias, bias])
        return cls(labels, keys, idf, weights.astype(np.float16), bias.astype(np.float32), train_spans(lessons), _parameter_shares(lessons), encoder)

    def guess(self, words: Sequence[str]) -> Guess:
        """The most likely reading of a sentence's words."""
        import numpy as np

        margins = self._margins(words)
        other = float(margins[self._other]) if self._other is not None else NEVER
        order = [int(index) for index in np.argsort(-margins) if index != self._other][: RUNNERS_UP + 1]
        label = self.labels[order[0]]
        spans, probability = self.spans(words, label)
        runners_up = tuple((self.labels[index], float(margins[index])) for index in order[1:])
        second = runners_up[0][1] if runners_up else NEVER
        return Guess(label, spans, float(margins[order[0]]), second, other, probability, runners_up)

    def spans(self, words: Sequence[str], label: Label) -> tuple[tuple[Span, ...], float]:
        """The spans of a label's arguments and the probability of them all."""
        model = self._spans.get(label.skill)
        return model.read(words, label, self._parameters(label, ALWAYS)) if model else ((), 1.0)

    def call(self, label: Label, spans: Sequence[Span], specs: Mapping[str, SkillSpec], text: str) -> Call | None:
        """The canonical call of a label with its spans; None where the skill is gone, or the words do not fit or are too few."""
        if label.skill not in specs:
            return None
        call = build_call(specs[label.skill], text, split_words(text), label.fixed, spans, self._parameters(label, OFTEN))
        return call if call and all(name in call.arguments for name in self._parameters(label, ALWAYS)) else None

    def _parameters(self, label: Label, share: float) -> list[str]:
        """Those that more than this share of a label's sentences have."""
        return [name for name, found in self._shares.get(label, {}).items() if found > share]

    def save(self, path: Path) -> None:
        """Write to a file, whole or not at all."""
        import numpy as np

        about = [[str(label), self._shares.get(label, {})] for label in self.labels]
        labels = np.frombuffer(json.dumps(about).encode(), np.uint8)
        scale = np.abs(self._weights).max(axis=0).astype(np.float32) / 127 + 1e-12
        small = np.round(self._weights.astype(np.float32) / scale).astype(np.int8)
        crfs: dict[str, Any] = {f"crf {skill}": np.frombuffer(model.crf, np.uint8) for skill, model in self._spans.items()}
        outside = np.frombuffer(json.dumps({skill: model.outside for skill, model in self._spans.items()}).encode(), np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                format=FORMAT,
                labels=labels,
                keys=self._keys,
                idf=self._idf.astype(np.float16),
                weights=small,
                scale=scale,
                bias=self._bias,
                outside=outside,
                **crfs,
            )
        part.replace(path)

    @classmethod
    def load(cls, path: Path, encoder: Encoder | None = None) -> Tagger:
        """Read from a file; `encoder` is the one it was trained with. Raises ModelError where it is missing, damaged or of another version."""
        import numpy as np

        try:
            with np.load(path) as data:
                if int(data["format"]) != FORMAT:
                    raise ValueError("it is of another version")
                about = {Label.read(text): shares for text, shares in json.loads(data["labels"].tobytes())}
                weights = data["weights"].astype(np.float32) * data["scale"]
                return cls(
                    list(about),
                    data["keys"],
                    data["idf"].astype(np.float32),
                    weights,
                    data["bias"],
                    {skill: SpanModel(data[f"crf {skill}"].tobytes(), words) for skill, words in json.loads(data["outside"].tobytes()).items()},
                    about,
                    encoder or shared_encoder(),
                )
        except Exception as error:  # noqa: BLE001  a damaged file can fail anywhere in zip, numpy or json
            raise ModelError(f"The tagger's file {path.name} cannot be read ({error})", f"delete {path}; it is made anew") from None

    def _margins(self, words: Sequence[str]) -> Matrix:
        """float32[labels]"""
        import numpy as np

        indices, values = _row(grams(words), self._keys, self._idf)
        vector = self._encoder.vector(" ".join(words)) * VECTOR_WEIGHT
        margins: Matrix = values @ self._weights[indices] + vector @ self._weights[len(self._keys) :] + self._bias
        return np.asarray(margins, np.float32)


def _parameter_shares(lessons: Sequence[Lesson]) -> dict[Label, dict[str, float]]:
    """The share of a label's sentences that have a parameter; a label with few sentences tells little, so one is added without any."""
    totals = Counter(lesson.label for lesson in lessons)
    counts = Counter((lesson.label, name) for lesson in lessons for name in {span.parameter for span in lesson.spans})
    return {
        label: {name: round(count / (total + 1), 4) for (owner, name), count in counts.items() if owner == label} for label, total in totals.items()
    }


def _vocabulary(counted: Sequence[dict[int, float]]) -> tuple[Any, Any]:
    """Sorted hashes of the n-grams that more than one sentence has, and their inverse document frequency."""
    import numpy as np

    frequency = Counter(key for row in counted for key in row)
    keys = np.array(sorted(key for key, count in frequency.items() if count > 1 or len(counted) < 500), np.uint32)
    idf = np.array([math.log((1 + len(counted)) / (1 + frequency[int(key)])) + 1 for key in keys], np.float32)
    return keys, idf


def _row(counts: dict[int, float], keys: Any, idf: Any) -> tuple[Any, Any]:
    """Positions of the known n-grams and their values: tf-idf, each block of length 1."""
    import numpy as np

    hashes = np.fromiter(counts, np.uint32, len(counts))
    values = np.fromiter(counts.values(), np.float32, len(counts))
    positions = np.searchsorted(keys, hashes)
    known = (positions < len(keys)) & (keys[np.minimum(positions, len(keys) - 1)] == hashes) if len(keys) else np.zeros(len(hashes), bool)
    positions, hashes, values = positions[known], hashes[known], values[known]
    values = values * idf[positions]
    for block in (hashes & 1 == 1, hashes & 1 == 0):
        length = float(np.sqrt((values[block] ** 2).sum()))
        if length:
            values[block] /= length
    return positions, values


def _sparse(counted: Sequence[dict[int, float]], keys: Any, idf: Any) -> Any:
    import numpy as np
    from scipy.sparse import csr_matrix

    rows = [_row(counts, keys, idf) for counts in counted]
    starts = np.cumsum([0, *(len(positions) for positions, _ in rows)])
    return csr_matrix(
        (np.concatenate([values for _, values in rows]), np.concatenate([positions for positions, _ in rows]), starts), (len(rows), len(keys))
    )
