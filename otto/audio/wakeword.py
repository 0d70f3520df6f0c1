"""Wake words: small networks that hear one word each, and nothing else, all the time (microWakeWord, run by pymicro-wakeword)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.errors import ModelError
from otto.messages import SAMPLE_RATE

if TYPE_CHECKING:
    from pymicro_wakeword import MicroWakeWord

    from otto.messages import AudioFrame

# Inside the package pymicro-wakeword, with the cutoffs that tests/measure_wakewords.py found: as low as other talk allowed it.
BUNDLED = {"okay_nabu": 0.75, "hey_jarvis": 0.5, "alexa": 0.9, "hey_mycroft": 0.97}
REFRACTORY = 1.5  # seconds after a wake word in which no other is reported
_CUTOFF, _WINDOW = 0.9, 5  # of a user's own model that brings no .json
_PACKAGE_MEND = "install it with: pip install pymicro-wakeword"


@dataclass(frozen=True)
class WakeModel:
    """One word's network and when it counts as heard."""

    name: str
    file: Path  # .tflite
    cutoff: float  # mean probability that is needed at sensitivity 0.5
    window: int  # how many probabilities, 30 ms apart, the mean is taken over


class WakeWords:
    """Hears wake words in a stream of sound.

    Args:
        words: names of bundled words, or of models of the user's own in `folder`.
        sensitivity: 0 to 1. More hears more, and more of what is none. 0.5 is what was measured.
        folder: where NAME.tflite, and NAME.json if there is one, of the user's own words are.

    Raises:
        ModelError: the package is missing, there is no such word, or its model is damaged.
    """

    def __init__(self, words: Sequence[str], sensitivity: float = 0.5, folder: Path | None = None) -> None:
        models = [find_model(word, folder) for word in words]
        self._networks = [(_network(model), cutoff_at(model.cutoff, sensitivity)) for model in models]
        from pymicro_wakeword import MicroWakeWordFeatures

        self._features = MicroWakeWordFeatures()
        self._quiet_until = 0.0  # seconds of sound

    def push(self, frame: AudioFrame) -> str | None:
        """Take the next sound, int16[n] at 16 kHz; return the name of the word that ended in it, if any."""
        heard = None
        for features in self._features.process_streaming(frame.samples.tobytes()):
            for network, cutoff in self._networks:
                probability = network.process_streaming_prob(features)
                if probability is not None and probability > cutoff and heard is None:
                    heard = network.id
        end = frame.start + len(frame.samples) / SAMPLE_RATE
        if heard is None or end < self._quiet_until:
            return None
        self._quiet_until = end + REFRACTORY
        return heard

    def reset(self) -> None:
        """Forget the sound so far: what comes next does not follow it."""
        self._features.reset()
        for network, _ in self._networks:
            network.reset()
        self._quiet_until = 0.0


def find_model(word: str, folder: Path | None = None) -> WakeModel:
    """The model of a word. Raises ModelError: there is none, or the package is missing."""
    own = folder / f"{word}.tflite" if folder else None
    if own and own.is_file():
        return _described(word, own)
    if word in BUNDLED:
        return replace(_described(word, _package() / "models" / f"{word}.tflite"), cutoff=BUNDLED[word])
    there = ", ".join([*BUNDLED, *(own_words(folder) if folder else ())])
    where = f", or put {word}.tflite into {folder}" if folder else ""
    raise ModelError(f"There is no wake word {word!r}", f"choose one of {there}{where}: otto config set wake.words NAME")


def own_words(folder: Path) -> list[str]:
    """The words of the user's own in the folder."""
    return sorted(file.stem for file in folder.glob("*.tflite"))


def cutoff_at(cutoff: float, sensitivity: float) -> float:
    """A model's cutoff moved by the sensitivity: evenly in log-odds, two either way, and unmoved at 0.5."""
    odds = math.log(cutoff / (1 - cutoff)) + (0.5 - sensitivity) * 4
    return 1 / (1 + math.exp(-odds))


def _package() -> Path:
    try:
        import pymicro_wakeword
    except ModuleNotFoundError:
        raise ModelError("Wake words need the package pymicro-wakeword, which is not installed", _PACKAGE_MEND) from None
    return Path(pymicro_wakeword.__file__).parent


def _described(word: str, file: Path) -> WakeModel:
    """With the cutoff and the window that the .json beside the model names."""
    description = file.with_suffix(".json")
    if not description.is_file():
        return WakeModel(word, file, _CUTOFF, _WINDOW)
    try:
        micro = json.loads(description.read_text(encoding="utf-8"))["micro"]
        cutoff, window = float(micro["probability_cutoff"]), int(micro["sliding_window_size"])
        if not 0 < cutoff < 1 or window < 1:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"{description} does not describe a wake word", "write it as microWakeWord does, or remove it") from None
    return WakeModel(word, file, cutoff, window)


def _network(model: WakeModel) -> MicroWakeWord:
    from pymicro_wakeword import MicroWakeWord

    library = next(iter((_package() / "lib").glob("*tensorflowlite_c.*")), None)
    if library is None:
        raise ModelError("pymicro-wakeword has no library for this machine", "listen without a wake word: otto listen --continuous")
    _check(model.file, library)
    return MicroWakeWord(
        id=model.name, wake_word=model.name, tflite_model=model.file, probability_cutoff=model.cutoff,
        sliding_window_size=model.window, trained_languages=[], libtensorflowlite_c_path=library,
    )  # fmt: skip


def _check(file: Path, library: Path) -> None:
    """TensorFlow answers a damaged model with NULL, which the package hands on: that would end the process."""
    from pymicro_wakeword.wakeword import TfLiteWakeWord

    lite: Any = TfLiteWakeWord(library).lib
    model = lite.TfLiteModelCreateFromFile(str(file).encode())
    if not model:
        raise ModelError(f"The wake-word model {file} is damaged", "put it there anew, or choose another: otto config set wake.words NAME")
    lite.TfLiteModelDelete(model)
