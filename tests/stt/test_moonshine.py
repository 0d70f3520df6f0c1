"""Moonshine, the real one, on the recordings of the demo, on sounds without words, and damaged."""

from __future__ import annotations

import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from otto.audio.file import read_audio
from otto.audio.vad import utterances
from otto.config import load_settings
from otto.errors import ModelError
from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.models import list_models, pull_model
from otto.models import moonshine_folder as folder_made_ready
from otto.paths import PACKAGE
from otto.stt import chosen_engine
from otto.stt.jsgf import read_jsgf
from otto.stt.moonshine import MoonshineEngine, _others
from otto.stt.moonshine_model import MoonshineModel
from otto.stt.search import Sentence, read_freely, read_sentences
from otto.stt.spelling import Spelling

if TYPE_CHECKING:
    from conftest import MoonshineHome

RECORDINGS = sorted((PACKAGE / "assets" / "demo").glob("*.flac"))
KITCHEN = SpeechGrammar(
    """#JSGF V1.0;
grammar commands;
public <command> = [could you | hey otto] <phrase> [please];
<phrase> = set a timer for <duration> | set an alarm for seven thirty | cancel all timers | read my notes | how much disk space is left;
<duration> = (two | five | ten | fifteen | fifty) minutes;
""",
    (),
)
RATE = 16_000


def heard_in(start: str) -> Utterance:
    [path] = [path for path in RECORDINGS if path.name.startswith(start)]
    [utterance] = utterances(read_audio(path))
    return utterance


@pytest.fixture
def moonshine_folder(moonshine_home: MoonshineHome) -> Path:
    return moonshine_home.folder


@pytest.fixture(scope="module")
def engine(moonshine_home: MoonshineHome) -> MoonshineEngine:
    return MoonshineEngine(moonshine_home.folder, KITCHEN)


@pytest.fixture(scope="module")
def model(moonshine_home: MoonshineHome) -> MoonshineModel:
    return MoonshineModel(moonshine_home.folder)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("01", "set a timer for five minutes"),
        ("07", "set an alarm for seven thirty"),  # freely: "set and alarm"
        ("08", "how much disk space is left"),
        ("12", "read my notes"),
        ("13", "cancel all timers"),
    ],
)
def test_a_phrase_is_heard_in_its_own_words(engine: MoonshineEngine, start: str, said: str) -> None:
    found = engine.transcribe(heard_in(start))
    assert isinstance(found, Transcript)
    assert (found.text, found.engine) == (said, "moonshine")
    assert 0.5 <= found.confidence <= 1.0
    assert found.ms > 0


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("02", "What time is it in London?"),
        ("03", "What is fifteen plus twenty seven?"),
        ("05", "Make a note to call the plumber."),
        ("09", "What day is Christmas?"),
        ("11", "I think the game last night was really exciting."),
    ],
)
def test_what_is_no_phrase_is_heard_freely(engine: MoonshineEngine, start: str, said: str) -> None:
    found = engine.transcribe(heard_in(start))
    assert isinstance(found, Transcript)
    assert found.text.rstrip(".?") == said.rstrip(".?")
    assert found.alternatives == ()


@pytest.mark.parametrize("path", [path for path in RECORDINGS if path.name[:2] not in ("01", "07", "08", "12", "13")], ids=lambda path: path.stem)
def test_nothing_else_becomes_a_phrase(engine: MoonshineEngine, path: Path) -> None:
    found = engine.transcribe(heard_in(path.name[:2]))
    words = getattr(found, "text", "").lower().rstrip(".?").split()
    assert not read_jsgf(KITCHEN.jsgf).accepts(words)


def _tone(hertz: float) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE)).astype(np.int16)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.int16), "silence"),
        (np.full(RATE // 20, 9000, np.int16), "silence"),  # a click of 50 ms
        (np.zeros(3 * RATE, np.int16), "silence"),
        (np.random.default_rng(1).normal(0, 2000, RATE).astype(np.int16), "no words"),
        (np.random.default_rng(2).normal(0, 100, 4 * RATE).astype(np.int16), "no words"),
        (_tone(440), "no words"),
        (_tone(50), "no words"),
    ],
    ids=["nothing", "click", "silence", "noise", "hiss", "tone", "hum"],
)
def test_sounds_without_words_are_refused(engine: MoonshineEngine, samples: np.ndarray, reason: str) -> None:
    found = engine.transcribe(Utterance(samples))
    assert isinstance(found, NotRecognized), found
    assert (found.reason, found.engine, found.heard) == (reason, "moonshine", "")
    assert engine.partial(Utterance(samples)) == ""


ANSWERS = SpeechGrammar("#JSGF V1.0;\ngrammar a;\npublic <a> = what time is it in london | what day is christmas | never mind;\n", ())


def test_an_expected_answer_goes_before_the_phrases(engine: MoonshineEngine) -> None:
    found = engine.transcribe(heard_in("02"), ANSWERS)
    assert isinstance(found, Transcript)
    assert found.text == "what time is it in london"


def test_what_is_no_expected_answer_is_heard_as_ever(engine: MoonshineEngine) -> None:
    phrase, free = engine.transcribe(heard_in("13"), ANSWERS), engine.transcribe(heard_in("11"), ANSWERS)
    assert isinstance(phrase, Transcript) and isinstance(free, Transcript)
    assert phrase.text == "cancel all timers"
    assert free.text.startswith("I think the game last night")


def test_answers_that_make_no_grammar(engine: MoonshineEngine) -> None:
    with pytest.raises(ModelError, match="make no speech grammar"):
        engine.transcribe(heard_in("01"), SpeechGrammar("public <a> = (b;", ()))


def test_speech_that_goes_on_is_heard_as_if_it_had_come_at_once(moonshine_folder: Path) -> None:
    whole = heard_in("02")
    growing, fresh = MoonshineEngine(moonshine_folder, KITCHEN), MoonshineEngine(moonshine_folder, KITCHEN)
    for share in (0.4, 0.6, 0.8):
        growing.partial(Utterance(whole.samples[: int(share * len(whole.samples))]))
    one, other = growing.transcribe(whole), fresh.transcribe(whole)
    assert isinstance(one, Transcript) and isinstance(other, Transcript)
    assert one.text == other.text == "What time is it in London?"
    assert one.confidence == pytest.approx(other.confidence, abs=0.05)


def test_the_words_so_far(engine: MoonshineEngine) -> None:
    whole = heard_in("02")
    assert engine.partial(Utterance(whole.samples[: int(0.6 * len(whole.samples))])).startswith("What time is it")


@pytest.mark.parametrize("changed", [lambda tokens: tokens, lambda tokens: tokens[:3], lambda tokens: (*tokens[:2], 77, *tokens[3:]), lambda tokens: (*tokens, 5, 6), lambda _: (9, 9)])
def test_a_draft_changes_nothing(model: MoonshineModel, changed: object) -> None:
    hearing = model.hear(heard_in("01").samples, 0.25)
    alone = read_freely(hearing, 30)
    drafted = read_freely(hearing, 30, changed(alone.tokens))  # type: ignore[operator]
    assert drafted.tokens == alone.tokens
    assert drafted.likelihoods == pytest.approx(alone.likelihoods, abs=0.2)  # a step quantises by the largest number of all its tokens


def test_two_sentences_that_sound_alike_are_both_found(model: MoonshineModel) -> None:
    spelling = Spelling(read_jsgf("#JSGF V1.0;\ngrammar g;\npublic <g> = set a timer for (five | nine) minutes | read my notes;\n"), model.spellings)
    found = read_sentences(model.hear(heard_in("01").samples, 0.25), spelling, 30)
    assert found[0].words == ("set", "a", "timer", "for", "five", "minutes")
    assert all(one.likelihood >= two.likelihood for one, two in pairwise(found))
    assert read_sentences(model.hear(heard_in("11").samples, 0.25), spelling, 30, least=-20.0) == []


def test_licence_and_notice_are_beside_the_weights(moonshine_folder: Path) -> None:
    assert "MIT License" in (moonshine_folder / "LICENSE").read_text("utf-8")
    assert "Copyright (c) 2025 Moonshine AI" in (moonshine_folder / "LICENSE").read_text("utf-8")
    assert "moonshine-cpp 0.1.4" in (moonshine_folder / "NOTICE").read_text("utf-8")


def test_the_first_use_says_so_and_the_next_does_nothing(moonshine_home: MoonshineHome, moonshine_folder: Path) -> None:
    assert moonshine_home.told == ("The speech model moonshine is made ready, once; this takes about 20 seconds",)
    before = {file: file.stat().st_mtime_ns for file in moonshine_folder.iterdir()}
    told: list[str] = []
    assert folder_made_ready(moonshine_home.settings, told.append) == moonshine_folder
    assert pull_model(moonshine_home.settings, "moonshine") == moonshine_folder
    assert told == []
    assert {file: file.stat().st_mtime_ns for file in moonshine_folder.iterdir()} == before
    assert list(moonshine_folder.parent.iterdir()) == [moonshine_folder], "nothing is left over"


def test_it_is_listed_and_is_what_auto_takes(moonshine_home: MoonshineHome, moonshine_folder: Path) -> None:
    [listed] = [model for model in list_models(moonshine_home.settings) if model.kind == "moonshine"]
    assert (listed.name, listed.installed, listed.path) == ("moonshine", True, moonshine_folder)
    assert chosen_engine("auto", moonshine_home.settings) == "moonshine"


def test_without_it_the_way_to_get_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"The model moonshine is not on this machine; download it with: otto models pull moonshine\."):
        folder_made_ready(load_settings(environ={"OTTO_HOME": str(tmp_path)}))


@pytest.mark.parametrize(
    ("likelihoods", "others"),
    [((-1.0,), ()), ((-1.0, -1.5), ("fifty",)), ((-1.0, -6.0), ()), ((-1.0, -1.1, -1.2), ("fifty", "sixty"))],
)
def test_other_phrases_are_those_that_may_have_been_said_as_well(likelihoods: tuple[float, ...], others: tuple[str, ...]) -> None:
    sentences = [Sentence((word,), word, likelihood) for word, likelihood in zip(("fifteen", "fifty", "sixty"), likelihoods, strict=False)]
    assert _others(sentences) == others


@pytest.mark.parametrize("name", ["encoder.onnx", "encoder.onnx.data", "decoder.onnx", "decoder.onnx.data", "vocabulary.bin"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut short"])
def test_a_damaged_model_is_one_sentence_with_the_mend(moonshine_folder: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "base-en"
    shutil.copytree(moonshine_folder, folder, copy_function=os.link)  # what is damaged becomes a file of its own
    whole = (folder / name).read_bytes()
    (folder / name).unlink()
    if damage != "missing":
        (folder / name).write_bytes(b"" if damage == "empty" else whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"otto models pull moonshine\.$") as caught:
        MoonshineEngine(folder, KITCHEN)
    assert "\n" not in str(caught.value)
