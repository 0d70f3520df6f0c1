"""Whether the rewritten graphs hear what the published ones do, by a recording that comes with them."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.errors import ModelError
from otto.inference import open_session
from otto.moonshine.convert import DECODER, ENCODER, HEAD_SIZE, HEADS, LAYERS
from otto.moonshine.source import DECODER as PUBLISHED_DECODER
from otto.moonshine.source import ENCODER as PUBLISHED_ENCODER
from otto.moonshine.source import SPEECH

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

_MEND = "this version of onnxruntime may not suit it: pip install -U onnxruntime onnx"
_SECONDS = 4.0
_SHARE = 0.9  # of the tokens: quantised anew, a close call may fall the other way
_START, _END, _LONGEST = 1, 2, 40


def check(published: Mapping[str, Path], folder: Path) -> None:
    """Raises ModelError where the converted model would say other words than the published one."""
    sound = _sound(published[SPEECH])
    wanted = _published_tokens(published, sound)
    found = _converted_tokens(folder, sound, wanted)
    same = sum(one == other for one, other in zip(found, wanted, strict=True))
    if len(wanted) < 5 or same < _SHARE * len(wanted):
        raise ModelError(
            f"The converted speech model does not hear what the published one does ({same} of {len(wanted)} tokens)",
            _MEND,
        )


def _sound(file: Path) -> Floats:
    """The beginning of a recording: float32[1, n], 16 kHz mono."""
    import numpy as np

    with wave.open(str(file)) as recording:
        frames = recording.readframes(int(_SECONDS * recording.getframerate()))
    return np.frombuffer(frames, np.int16).astype(np.float32)[None] / np.float32(32768)


def _published_tokens(published: Mapping[str, Path], sound: Floats) -> list[int]:
    """What the published graphs say, token by token."""
    import numpy as np

    hidden = open_session(published[PUBLISHED_ENCODER], _MEND).run(None, {"input_values": sound})[0]
    decoder = open_session(published[PUBLISHED_DECODER], _MEND)
    names = [item.name.replace("present", "past_key_values") for item in decoder.get_outputs()[1:]]
    past = {name: np.zeros((0, HEADS, 1, HEAD_SIZE), np.float32) for name in names}
    tokens: list[int] = []
    while len(tokens) < _LONGEST and _END not in tokens:
        given = {"input_ids": np.array([[tokens[-1] if tokens else _START]]), "use_cache_branch": np.array([bool(tokens)])}
        logits, *present = decoder.run(None, {"encoder_hidden_states": hidden, **given, **past})
        past |= {name: value for name, value in zip(names, present, strict=True) if not tokens or ".decoder." in name}
        tokens.append(int(logits[0, -1].argmax()))
    return tokens


def _converted_tokens(folder: Path, sound: Floats, wanted: list[int]) -> list[int]:
    """What the converted graphs would say next at each place of the published answer."""
    import numpy as np

    memory = open_session(folder / ENCODER, _MEND).run(None, {"input_values": sound})[0]
    given: dict[str, Any] = {"input_ids": np.array([[_START, *wanted[:-1]]])}
    for layer in range(LAYERS):
        for number, part in enumerate(("key", "value")):
            given[f"past_key_values.{layer}.encoder.{part}"] = memory[2 * layer + number]
            given[f"past_key_values.{layer}.decoder.{part}"] = np.zeros((1, HEADS, 0, HEAD_SIZE), np.float32)
    logits = open_session(folder / DECODER, _MEND).run(["logits"], given)[0]
    return [int(token) for token in logits[0].argmax(axis=-1)]

