"""Fits the calibration: from held-out sentences, the probability that the tagger's command is meant and right."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otto.call import Call
from otto.router.embedded import Calibration, Evidence, Logistic, proposed
from otto.router.llama import LlamaReader
from otto.router.tagger import Tagger
from otto.skill import OTHER, SkillSpec
from otto.words import split_words

FALSE_CALLS = 0.02  # the share of the held-out sentences that ask for nothing, most of them near misses, on which the router may act
FOLDS = 5
DIGITS = 5  # of a stored number


@dataclass(frozen=True)
class Judged:
    """The evidence for a sentence, what the tagger made of it and what it should have been."""

    text: str
    gold: Call
    call: Call | None  # the tagger's command
    tagger_call: Call  # what the tagger alone would do
    llama_call: Call  # what the Llama alone would do
    evidence: Evidence

    @property
    def right(self) -> bool:
        return self.call is not None and self.call == self.gold


def judge(items: Sequence[tuple[str, Call]], specs: Sequence[SkillSpec], tagger: Tagger, llama: LlamaReader) -> list[Judged]:
    """Both models' readings of sentences with their right calls."""
    by_name = {spec.name: spec for spec in specs}
    nothing = Call(OTHER)
    found = []
    for text, gold in items:
        words = [word.text for word in split_words(text)]
        if not words:
            continue
        guess = tagger.guess(words)
        reading = llama.write(text)
        written = llama.call(reading, text)
        alone = (tagger.call(guess.label, guess.spans, by_name, text) if guess.acts else None) or nothing
        call = proposed(guess, reading, written, tagger, by_name, text)
        found.append(Judged(text, gold, call, alone, written or nothing, Evidence.of(guess, call, reading, written, len(words))))
    return found


def fit(judged: Sequence[Judged]) -> Calibration:
    """Logistic regressions of all the evidence, with the lowest threshold at which false calls are rare.

    The threshold comes from predictions on sentences that the regression was not fitted on (cross-validation).
    """
    import numpy as np
    from sklearn.model_selection import cross_val_predict

    features = np.array([item.evidence.values() for item in judged])
    meant = np.array([item.gold.name != OTHER for item in judged])
    right = np.array([item.right for item in judged])
    unseen = cross_val_predict(_regression(), features, meant, cv=FOLDS, method="predict_proba")[:, 1]
    callable_strays = np.array([item.gold.name == OTHER and item.call is not None for item in judged])
    tempting = np.sort(unseen[callable_strays])[::-1]
    allowed = int(FALSE_CALLS * (~meant).sum())
    threshold = _above(float(tempting[allowed])) if len(tempting) > allowed else 0.5
    return Calibration(_fitted(features, meant), _fitted(features, right), threshold)


def _above(probability: float) -> float:
    """The next number with as many digits as are stored."""
    return float(round(math.floor(probability * 10**DIGITS + 1) / 10**DIGITS, DIGITS))


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _fitted(features: Any, wanted: Any) -> Logistic:
    """The regression with its scaling folded into the weights."""
    model = _regression().fit(features, wanted)
    scaler, regression = model.steps[0][1], model.steps[1][1]
    weights = regression.coef_[0] / scaler.scale_
    bias = float(regression.intercept_[0] - (weights * scaler.mean_).sum())
    return Logistic(tuple(map(float, weights)), bias)


def save(calibration: Calibration, path: Path) -> None:
    """Write a calibration as JSON."""

    def stored(logistic: Logistic) -> dict[str, Any]:
        weights = (round(weight, DIGITS) for weight in logistic.weights)
        return {"weights": dict(zip(Evidence.__dataclass_fields__, weights, strict=True)), "bias": round(logistic.bias, DIGITS)}

    data = {"meant": stored(calibration.meant), "right": stored(calibration.right), "threshold": round(calibration.threshold, DIGITS)}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
