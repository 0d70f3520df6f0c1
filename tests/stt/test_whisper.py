"""faster-whisper with a model of our own making, whole and damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from otto.errors import ModelError
from otto.messages import NotRecognized, Transcript, Utterance
from otto.stt.whisper import WhisperEngine

NOISE = Utterance((np.random.default_rng(1).normal(0, 2000, 16_000)).astype(np.int16))


def test_an_utterance_becomes_text(whisper_folder: Path) -> None:
    heard = WhisperEngine(whisper_folder).transcribe(NOISE)
    assert isinstance(heard, Transcript)
    assert heard.text == "unmute"  # what the model was taught
    assert heard.engine == "whisper"
    assert 0.5 < heard.confidence <= 1
    assert heard.ms > 0


def test_it_hears_the_same_twice_and_with_hot_words(whisper_folder: Path) -> None:
    engine = WhisperEngine(whisper_folder, hotwords="unmute")
    assert engine.transcribe(NOISE).ms > 0
    first, second = engine.transcribe(NOISE), engine.transcribe(NOISE)
    assert isinstance(first, Transcript) and isinstance(second, Transcript)
    assert (first.text, first.confidence) == (second.text, second.confidence)


def test_no_sound_is_not_recognized(whisper_folder: Path) -> None:
    heard = WhisperEngine(whisper_folder).transcribe(Utterance(np.zeros(0, np.int16)))
    assert isinstance(heard, NotRecognized)
    assert (heard.reason, heard.engine) == ("silence", "whisper")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no speech model in .*small\.en; download it with: otto models pull small\.en\."):
        WhisperEngine(tmp_path / "small.en")


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut short"])
def test_a_damaged_model_is_one_sentence_with_the_mend(whisper_folder: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "tiny.en"
    shutil.copytree(whisper_folder, folder)
    file = folder / name
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "garbage": b"\x00\xffnot a model" * 99, "cut short": whole[: len(whole) // 2]}[damage])
    with pytest.raises(ModelError, match="download it anew with: otto models pull tiny.en") as caught:
        WhisperEngine(folder).transcribe(NOISE)
    assert "\n" not in str(caught.value)
