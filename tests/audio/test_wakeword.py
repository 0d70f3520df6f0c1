"""Wake words as synthetic voices say them, what is none, and models that are missing or damaged."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.audio.file import read_audio
from otto.audio.wakeword import BUNDLED, REFRACTORY, WakeWords, cutoff_at, find_model
from otto.demo import recordings
from otto.errors import ModelError
from otto.messages import SAMPLE_RATE, AudioFrame

if TYPE_CHECKING:
    from otto.messages import Samples

ROOM = np.random.default_rng(0).normal(0, 4, 3 * SAMPLE_RATE // 2).round().astype(np.int16)  # a quiet one


def heard(words: WakeWords, samples: Samples, size: int = 512) -> list[tuple[str, float]]:
    """(word, second at which it was reported)"""
    starts = range(0, len(samples), size)
    found = ((words.push(AudioFrame(samples[start : start + size], start / SAMPLE_RATE)), (start + size) / SAMPLE_RATE) for start in starts)
    return [(word, second) for word, second in found if word]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Samples]:
    """Each bundled word in a quiet room, by flite's voice rms."""
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    folder = tmp_path_factory.mktemp("words")
    for word in BUNDLED:
        subprocess.run(["flite", "-voice", "rms", "-t", word.replace("_", " "), "-o", str(folder / word)], check=True)
    return {word: np.concatenate([ROOM, *(frame.samples for frame in read_audio(folder / word)), ROOM]) for word in BUNDLED}


@pytest.mark.parametrize("size", [512, 160, 1000])
@pytest.mark.parametrize("word", BUNDLED)
def test_each_word_is_heard_once_while_all_listen(spoken: dict[str, Samples], word: str, size: int) -> None:
    ((name, second),) = heard(WakeWords(list(BUNDLED)), spoken[word], size)
    assert name == word
    end = len(spoken[word]) / SAMPLE_RATE - 1.5
    assert end - 0.5 < second < end + 0.5


def test_only_the_chosen_words_wake(spoken: dict[str, Samples]) -> None:
    words = WakeWords(["alexa"])
    assert heard(words, np.concatenate([spoken[word] for word in BUNDLED if word != "alexa"])) == []
    assert WakeWords([]).push(AudioFrame(ROOM, 0.0)) is None


def test_commands_are_no_wake_words() -> None:
    words = WakeWords(["okay_nabu"])
    commands = np.concatenate([frame.samples for recording in recordings() for frame in read_audio(recording.file)])
    assert heard(words, np.concatenate([ROOM, commands])) == []


def test_a_word_said_again_wakes_again_after_the_pause(spoken: dict[str, Samples]) -> None:
    first, second = heard(WakeWords(["okay_nabu"]), np.concatenate([spoken["okay_nabu"]] * 2))
    assert second[1] - first[1] > REFRACTORY


def test_reset_forgets_half_a_word(spoken: dict[str, Samples]) -> None:
    words = WakeWords(["okay_nabu"])
    middle = round((len(ROOM) + (len(spoken["okay_nabu"]) - 2 * len(ROOM)) / 2) / 512) * 512
    assert heard(words, spoken["okay_nabu"][:middle]) == []
    words.reset()
    assert heard(words, spoken["okay_nabu"][middle:]) == []
    words.reset()
    assert [word for word, _ in heard(words, spoken["okay_nabu"])] == ["okay_nabu"]


def test_a_model_of_the_users_own(tmp_path: Path, spoken: dict[str, Samples]) -> None:
    shutil.copy(find_model("alexa").file, tmp_path / "computer.tflite")
    assert [word for word, _ in heard(WakeWords(["computer", "okay_nabu"], folder=tmp_path), spoken["alexa"])] == ["computer"]
    assert (find_model("computer", tmp_path).cutoff, find_model("computer", tmp_path).window) == (0.9, 5)
    (tmp_path / "computer.json").write_text(json.dumps({"micro": {"probability_cutoff": 0.7, "sliding_window_size": 3}}))
    assert (find_model("computer", tmp_path).cutoff, find_model("computer", tmp_path).window) == (0.7, 3)


def test_a_word_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "computer.tflite").touch()
    with pytest.raises(ModelError) as raised:
        WakeWords(["hey_otto"], folder=tmp_path)
    assert str(raised.value) == (
        "There is no wake word 'hey_otto'; choose one of okay_nabu, hey_jarvis, alexa, hey_mycroft, computer, "
        f"or put hey_otto.tflite into {tmp_path}: otto config set wake.words NAME."
    )


@pytest.mark.parametrize("content", [b"", b"no model", "half"])
def test_a_damaged_model(tmp_path: Path, content: bytes | str) -> None:
    """TensorFlow would end the process."""
    file = tmp_path / "own.tflite"
    whole = find_model("alexa").file.read_bytes()
    file.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="The wake-word model .*own.tflite is damaged; put it there anew, or choose another: otto config set wake.words NAME"):
        WakeWords(["own"], folder=tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"micro": {"probability_cutoff": 2, "sliding_window_size": 5}}', '{"micro": {"probability_cutoff": 0.5, "sliding_window_size": 0}}'])
def test_a_damaged_description(tmp_path: Path, text: str) -> None:
    shutil.copy(find_model("alexa").file, tmp_path / "own.tflite")
    (tmp_path / "own.json").write_text(text)
    with pytest.raises(ModelError, match=r"own.json does not describe a wake word; write it as microWakeWord does, or remove it"):
        WakeWords(["own"], folder=tmp_path)


def test_the_package_is_missing() -> None:
    code = """
    import sys
    sys.modules["pymicro_wakeword"] = None
    from otto.audio.wakeword import WakeWords
    try:
        WakeWords(["alexa"])
    except Exception as error:
        print(type(error).__name__, error)
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "ModelError Wake words need the package pymicro-wakeword, which is not installed; install it with: pip install pymicro-wakeword."


@given(cutoff=st.floats(0.01, 0.99), sensitivity=st.floats(0, 1), more=st.floats(0, 1))
def test_more_sensitivity_is_a_lower_cutoff(cutoff: float, sensitivity: float, more: float) -> None:
    low, high = sorted((sensitivity, more))
    assert 0 < cutoff_at(cutoff, high) <= cutoff_at(cutoff, low) < 1
    assert math.isclose(cutoff_at(cutoff, 0.5), cutoff)
