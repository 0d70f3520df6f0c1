"""The calibration: regressions of the evidence, and a threshold that lets few false calls through."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from finetune.embedded import calibrate
from finetune.embedded.calibrate import FALSE_CALLS, FOLDS, Judged, fit, judge, save
from otto import Call
from otto.router.embedded import Calibration, Evidence, Logistic
from otto.router.encoder import WEIGHTS
from otto.router.lessons import lessons_of
from otto.router.llama import LlamaReader
from otto.router.tagger import Tagger
from tests.router import toy

NOTHING, RIGHT, WRONG = Call("other"), Call("timer", {"duration": "5 minutes"}), Call("timer", {"duration": "6 minutes"})


def judged(count: int = 600, seed: int = 1, clear: float = 1.0, callable_share: float = 0.8) -> list[Judged]:
    """Made-up evidence: commands have larger margins than stray talk, by `clear` standard deviations, and many are right."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        meant = number % 2 == 0
        call = (RIGHT if rng.random() < 0.8 else WRONG) if rng.random() < callable_share else None
        margins = rng.normal(clear if meant else 0.0, 1.0, 3)
        probable, same, other, llama = rng.uniform(-6, 0), rng.random() < 0.5, rng.random() < (0.2 if meant else 0.7), rng.uniform(-6, 0)
        evidence = Evidence(*margins, probable, float(call is not None), float(same), 1.0, float(other), llama, math.log(rng.integers(1, 12)))
        found.append(Judged(f"text {number}", RIGHT if meant else NOTHING, call, call or NOTHING, NOTHING, evidence))
    return found


def features(items: list[Judged]) -> np.ndarray:
    return np.array([item.evidence.values() for item in items])


def pipeline():  # noqa: ANN201  sklearn has no types
    """Scale, then regress: as it would be kept if the scaling were not folded into the weights."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline([("scale", StandardScaler()), ("regress", LogisticRegression(max_iter=1000))])


@pytest.mark.parametrize("name", ["meant", "right"])
def test_the_folded_weights_predict_what_the_pipeline_does(name: str) -> None:
    """`same_call` is always 1 here: a feature that never changes must not divide by nothing."""
    items = judged()
    wanted = [item.gold != NOTHING if name == "meant" else item.call == item.gold for item in items]
    expected = pipeline().fit(features(items), wanted).predict_proba(features(items))[:, 1]
    logistic = getattr(fit(items), name)
    assert [logistic.probability(item.evidence) for item in items] == pytest.approx(expected.tolist(), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("clear", [0.5, 2.0], ids=["hard", "easy"])
def test_the_threshold_lets_few_false_calls_through(seed: int, clear: float) -> None:
    """Of stray talk, on predictions by regressions that had not seen it; and it is no higher than it must be."""
    from sklearn.model_selection import cross_val_predict

    items = judged(seed=seed, clear=clear)
    unseen = cross_val_predict(pipeline(), features(items), [item.gold != NOTHING for item in items], cv=FOLDS, method="predict_proba")[:, 1]
    stray = [probability for item, probability in zip(items, unseen, strict=True) if item.gold == NOTHING and item.call is not None]
    threshold = fit(items).threshold
    allowed = int(FALSE_CALLS * sum(item.gold == NOTHING for item in items))
    assert allowed >= 4
    assert sum(probability >= threshold for probability in stray) <= allowed
    assert sum(probability >= threshold - 1.2e-5 for probability in stray) > allowed


@pytest.mark.parametrize("seed", range(8))
def test_what_is_stored_is_no_laxer(seed: int, tmp_path: Path) -> None:
    """Five digits are stored; were the threshold rounded down, the stray talk that it was set by would pass."""
    calibration = fit(judged(seed=seed))
    save(calibration, tmp_path / "calibration.json")
    stored = Calibration.load(tmp_path / "calibration.json")
    assert stored.threshold == calibration.threshold
    for name in ("meant", "right"):
        assert getattr(stored, name).weights == pytest.approx(getattr(calibration, name).weights, abs=5e-6)
        assert getattr(stored, name).bias == pytest.approx(getattr(calibration, name).bias, abs=5e-6)


def test_stray_talk_that_no_command_fits_sets_no_threshold() -> None:
    assert fit(judged(callable_share=0.0, count=200) + [item for item in judged(count=200) if item.gold != NOTHING]).threshold == 0.5


def test_the_file_names_every_feature(tmp_path: Path) -> None:
    import json

    one, two = (Logistic(tuple(sign * number for number in range(10)), sign * 0.5) for sign in (1.0, -1.0))
    save(Calibration(one, two, 0.25), tmp_path / "calibration.json")
    names = "margin lead over_other spans valid same_skill same_call llama_other llama words".split()
    assert json.loads((tmp_path / "calibration.json").read_text()) == {
        "meant": {"weights": {name: float(number) for number, name in enumerate(names)}, "bias": 0.5},
        "right": {"weights": {name: -float(number) for number, name in enumerate(names)}, "bias": -0.5},
        "threshold": 0.25,
    }
    assert Calibration.load(tmp_path / "calibration.json") == Calibration(one, two, 0.25)


JUDGED = [
    # said, meant, the proposed command, whether it is right
    ("set a timer for seven minutes", 'timer(duration="7 minutes")', 'timer(duration="7 minutes")', True),
    ("set a timer for seven minutes", 'timer(duration="8 minutes")', 'timer(duration="7 minutes")', False),
    ("how is the weather in lisbon", "other()", 'weather(location="Lisbon")', False),
]


def test_sentences_are_judged_by_both_models() -> None:
    if not (WEIGHTS / "llama.onnx").exists():
        pytest.skip("the shipped Llama is not in this checkout")
    specs = toy.skills()
    tagger, llama = Tagger.train(lessons_of(specs)), LlamaReader(specs)
    found = judge([(said, Call.parse(meant)) for said, meant, _, _ in JUDGED] + [("?!", NOTHING)], specs, tagger, llama)
    assert [(item.text, str(item.gold), str(item.call), item.right) for item in found] == JUDGED, "a text without words proves nothing"
    assert [str(item.tagger_call) for item in found] == [call for _, _, call, _ in JUDGED]
    for item in found:
        reading = llama.write(item.text)
        assert str(item.llama_call) == str(llama.call(reading, item.text) or NOTHING)
        assert item.evidence.same_call == float(item.llama_call == item.call)
        assert item.evidence.words == pytest.approx(math.log(len(item.text.split())))
    assert calibrate.Judged("x", NOTHING, None, NOTHING, NOTHING, found[0].evidence).right is False
