"""Closed-phrase mode on the recordings of the demo: what its grammar holds is heard, all else is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from otto.audio.file import read_audio
from otto.audio.vad import utterances
from otto.errors import ModelError
from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.paths import PACKAGE
from otto.stt.sphinx import ClosedPhraseEngine

RECORDINGS = sorted((PACKAGE / "assets" / "demo").glob("*.flac"))
KITCHEN = """#JSGF V1.0;
grammar commands;
public <command> = [<lead>] <phrase> [please];
<lead> = could you | hey otto;
<phrase> = set a timer for <duration> | cancel all timers | read my notes | frobnicate the zibzab;
<duration> = (two | five | ten) minutes;
"""


def grammar(jsgf: str) -> SpeechGrammar:
    return SpeechGrammar(jsgf, ())


@pytest.fixture(scope="module")
def hear() -> Callable[[Path], Transcript | NotRecognized]:
    engine = ClosedPhraseEngine(grammar(KITCHEN))  # with two words that no dictionary has

    def heard(path: Path) -> Transcript | NotRecognized:
        [utterance] = utterances(read_audio(path))
        return engine.transcribe(utterance)

    return heard


def recording(start: str) -> Path:
    [path] = [path for path in RECORDINGS if path.name.startswith(start)]
    return path


@pytest.mark.parametrize(
    ("start", "said"), [("01", "set a timer for five minutes"), ("12", "read my notes"), ("13", "cancel all timers")]
)
def test_what_the_grammar_holds_is_heard(hear: Callable[[Path], Transcript | NotRecognized], start: str, said: str) -> None:
    found = hear(recording(start))
    assert isinstance(found, Transcript)
    assert (found.text, found.engine) == (said, "closed-phrase")
    assert 0.5 <= found.confidence <= 1.0
    assert found.ms > 0


@pytest.mark.parametrize("path", [path for path in RECORDINGS if not path.name.startswith(("01", "12", "13"))], ids=lambda path: path.stem)
def test_all_else_is_refused(hear: Callable[[Path], Transcript | NotRecognized], path: Path) -> None:
    found = hear(path)
    assert isinstance(found, NotRecognized), f"taken for {found.text}"
    assert found.reason in ("outside the grammar", "no words")


@pytest.mark.parametrize("samples", [np.zeros(16_000, np.int16), np.random.default_rng(1).integers(-3000, 3000, 16_000).astype(np.int16)], ids=["silence", "noise"])
def test_no_words_in_silence_or_noise(samples: np.ndarray) -> None:
    assert isinstance(ClosedPhraseEngine(grammar(KITCHEN)).transcribe(Utterance(samples)), NotRecognized)


def test_hearing_one_recording_changes_nothing_for_the_next(hear: Callable[[Path], Transcript | NotRecognized]) -> None:
    first, _, again = hear(recording("01")), hear(recording("06")), hear(recording("01"))
    assert isinstance(first, Transcript)
    assert isinstance(again, Transcript)
    assert again.text == first.text
    assert again.confidence == pytest.approx(first.confidence, abs=1e-4)


@pytest.mark.parametrize("jsgf", ["", "#JSGF V1.0;\ngrammar g;\n<private> = a;", "#JSGF V1.0;\ngrammar g;\npublic <a> = <missing>;", "public <a> = (b;"])
def test_a_grammar_that_is_none_names_the_mend(jsgf: str) -> None:
    with pytest.raises(ModelError, match="make no speech grammar .* find the skill with: otto skills check"):
        ClosedPhraseEngine(grammar(jsgf))
