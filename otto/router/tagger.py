"""The tagger: a linear classifier of the whole sentence and a conditional random field for the spans of its arguments.

Both are trained in seconds from the examples of the installed skills, so that a new skill's examples count at once. The classifier
is a linear support vector machine (Fan et al. 2008, LIBLINEAR) on n-grams of words and letters and on the sentence encoder's
vector; the spans are a linear-chain CRF (Lafferty et al. 2001; Okazaki's CRFsuite).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.align import Aligned, Span, align
from otto.errors import ModelError
from otto.router.encoder import WEIGHTS, shared_encoder
from otto.router.features import grams, word_features
from otto.skill import OTHER, SkillSpec
from otto.words import split_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

FORMAT = 2  # of the stored file; a change makes old caches unread
VECTOR_WEIGHT = 1.6  # of the encoder's vector beside the two n-gram blocks, each of length 1
COST = 2.0  # of a training error, LIBLINEAR's C
CRF_PARAMETERS = {"c1": 0.05, "c2": 0.01, "max_iterations": 120, "feature.possible_transitions": True}


@dataclass(frozen=True)
class Label:
    """What the classifier tells apart: a skill with its fixed arguments."""

    skill: str
    fixed: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return json.dumps([self.skill, [list(item) for item in self.fixed]])

    @classmethod
    def read(cls, text: str) -> Label:
        skill, fixed = json.loads(text)
        return cls(skill, tuple((name, value) for name, value in fixed))


@dataclass(frozen=True)
class Lesson:
    """A sentence to learn from."""

    words: tuple[str, ...]
    label: Label
    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, aligned: Aligned) -> Lesson:
        return cls(tuple(word.text for word in aligned.words), Label(aligned.skill, aligned.fixed), aligned.spans)

    def to_json(self) -> list[Any]:
        return [list(self.words), str(self.label), [[span.parameter, span.first, span.last] for span in self.spans]]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Lesson:
        return cls(tuple(row[0]), Label.read(row[1]), tuple(Span(*span) for span in row[2]))


@dataclass(frozen=True)
class Guess:
    """The tagger's reading of a sentence."""

    label: Label
    spans: tuple[Span, ...]
    margin: float  # of the label, the signed distance from the plane that parts it from all others
    second: float  # the margin of the next label
    other: float  # the margin of `other()`
    span_probability: float  # of the spans as a whole, given the label
    runners_up: tuple[tuple[Label, float], ...]  # next labels with their margins


def lessons_of(specs: Iterable[SkillSpec]) -> list[Lesson]:
    """The examples that can be learnt from. A skill without any is taught by its name and description."""
    lessons: list[Lesson] = []
    for spec in specs:
        aligned = [align(spec, example) for example in spec.examples]
        own = [Lesson.of(item) for item in aligned if item.words and not item.missing]
        if not own and spec.name != OTHER:
            words = split_words(f"{spec.name.replace('_', ' ')} {spec.description}")
            own = [Lesson(tuple(word.text for word in words), Label(spec.name))]
        lessons += own
    return lessons


class Tagger:
    """A trained tagger. `Tagger.train` makes one, `Tagger.load` reads one."""

    def __init__(self, labels: Sequence[Label], keys: Any, idf: Any, weights: Any, bias: Any, crf: bytes) -> None:
        self.labels = tuple(labels)
        self._keys, self._idf, self._weights, self._bias = keys, idf, weights, bias
        self._crf = crf
        self._other = next((index for index, label in enumerate(self.labels) if label.skill == OTHER), None)

    @classmethod
    def train(cls, lessons: Sequence[Lesson]) -> Tagger:
        """Learn from lessons; some seconds for a few thousand of them. Needs at least two labels, else everything is the one there is."""
        import numpy as np
        from sklearn.svm import LinearSVC

        labels = sorted({lesson.label for lesson in lessons}, key=str)
        if len(labels) < 2:
            labels = [*labels, Label(OTHER)] if labels and labels[0].skill != OTHER else [Label(OTHER), Label("")]
            lessons = [*lessons, Lesson(("",), labels[1])]
        counted = [grams(lesson.words) for lesson in lessons]
        keys, idf = _vocabulary(counted)
        matrix = _sparse(counted, keys, idf)
        vectors = shared_encoder().vectors([" ".join(lesson.words) for lesson in lessons]) * VECTOR_WEIGHT
        numbers = {label: number for number, label in enumerate(labels)}
        from scipy.sparse import csr_matrix, hstack

        machine = LinearSVC(C=COST, random_state=0)
        machine.fit(hstack([matrix, csr_matrix(vectors)]).tocsr(), [numbers[lesson.label] for lesson in lessons])
        weights, bias = machine.coef_.T, machine.intercept_
        if len(labels) == 2:  # LIBLINEAR keeps one plane for two classes
            weights, bias = np.hstack([-weights, weights]), np.concatenate([-bias, bias])
        return cls(labels, keys, idf, weights.astype(np.float16), bias.astype(np.float32), _train_crf(lessons))

    def guess(self, words: Sequence[str]) -> Guess:
        """The most likely reading of a sentence's words."""
        import numpy as np

        margins = self._margins(words)
        order = np.argsort(-margins)[:4]
        label = self.labels[order[0]]
        spans, probability = self.spans(words, label)
        return Guess(
            label,
            spans,
            float(margins[order[0]]),
            float(margins[order[1]]),
            float(margins[self._other]) if self._other is not None else -1.0,
            probability,
            tuple((self.labels[index], float(margins[index])) for index in order[1:]),
        )

    def spans(self, words: Sequence[str], label: Label) -> tuple[tuple[Span, ...], float]:
        """The spans of a label's arguments and the probability of them all."""
        if label.skill == OTHER or not self._crf:
            return (), 1.0
        self._reader.set(word_features(words, str(label)))
        tags = self._reader.tag()
        return _spans_of(tags), float(self._reader.probability(tags))

    def save(self, path: Path) -> None:
        """Write to a file, whole or not at all."""
        import numpy as np

        labels = np.frombuffer(json.dumps([str(label) for label in self.labels]).encode(), np.uint8)
        scale = np.abs(self._weights).max(axis=0).astype(np.float32) / 127 + 1e-12
        small = np.round(self._weights.astype(np.float32) / scale).astype(np.int8)
        crf = np.frombuffer(self._crf, np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, format=FORMAT, labels=labels, keys=self._keys, idf=self._idf.astype(np.float16), weights=small, scale=scale, bias=self._bias, crf=crf)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Tagger:
        """Read from a file. Raises ModelError where it is missing, damaged or of another version."""
        import numpy as np

        try:
            with np.load(path) as data:
                if int(data["format"]) != FORMAT:
                    raise ValueError("it is of another version")
                labels = [Label.read(text) for text in json.loads(data["labels"].tobytes())]
                weights = data["weights"].astype(np.float32) * data["scale"]
                return cls(labels, data["keys"], data["idf"].astype(np.float32), weights, data["bias"], data["crf"].tobytes())
        except Exception as error:  # noqa: BLE001  a damaged file can fail anywhere in zip, numpy or json
            raise ModelError(f"The tagger's file {path.name} cannot be read ({error})", f"delete {path}; it is made anew") from None

    @cached_property
    def _reader(self) -> Any:
        import pycrfsuite

        reader = pycrfsuite.Tagger()
        reader.open_inmemory(self._crf)
        return reader

    def _margins(self, words: Sequence[str]) -> Matrix:
        """float32[labels]"""
        import numpy as np

        indices, values = _row(grams(words), self._keys, self._idf)
        vector = shared_encoder().vector(" ".join(words)) * VECTOR_WEIGHT
        margins: Matrix = values @ self._weights[indices] + vector @ self._weights[len(self._keys) :] + self._bias
        return np.asarray(margins, np.float32)


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
    return csr_matrix((np.concatenate([values for _, values in rows]), np.concatenate([positions for positions, _ in rows]), starts), (len(rows), len(keys)))


def _train_crf(lessons: Sequence[Lesson]) -> bytes:
    import tempfile

    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params(CRF_PARAMETERS)
    for lesson in lessons:
        if lesson.label.skill != OTHER and lesson.words != ("",):
            trainer.append(word_features(lesson.words, str(lesson.label)), _tags_of(lesson))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.crf"
        trainer.train(str(path))
        return path.read_bytes() if path.exists() else b""


def _tags_of(lesson: Lesson) -> list[str]:
    """B-name for a span's first word, I-name for the others, O outside."""
    tags = ["O"] * len(lesson.words)
    for span in lesson.spans:
        tags[span.first : span.last + 1] = [f"B-{span.parameter}", *[f"I-{span.parameter}"] * (span.last - span.first)]
    return tags


def _spans_of(tags: Sequence[str]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for index, tag in enumerate(tags):
        if tag == "O":
            continue
        name = tag[2:]
        if tag[0] == "I" and spans and spans[-1].parameter == name and spans[-1].last == index - 1:
            spans[-1] = Span(name, spans[-1].first, index)
        else:
            spans.append(Span(name, index, index))
    return tuple(spans)


SHIPPED = WEIGHTS / "tagger.npz"
