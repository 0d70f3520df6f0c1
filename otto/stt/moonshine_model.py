"""Moonshine's two graphs and its vocabulary: sound in, likelihoods of the next token out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otto.errors import ModelError
from otto.inference import open_session
from otto.messages import SAMPLE_RATE
from otto.moonshine.build import VOCABULARY_FILE
from otto.moonshine.convert import DECODER, ENCODER, HEAD_SIZE, HEADS, LAYERS

if TYPE_CHECKING:
    import numpy.typing as npt

    from otto.messages import Samples

    Floats = npt.NDArray[np.float32]

START, END = 1, 2  # tokens
SPACE = "▁".encode()  # how the vocabulary writes it
_FIRST_PIECE = 3 + 256  # tokens before it are three marks and the single bytes
MEND = "make it anew with: otto models pull moonshine"
_PARTS = [(layer, part) for layer in range(LAYERS) for part in ("key", "value")]


class MoonshineModel:
    """The model in one folder.

    Raises:
        ModelError: a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._pieces = _read_vocabulary(folder / VOCABULARY_FILE)
        self._encoder = open_session(folder / ENCODER, MEND, arena=False)
        self._decoder = open_session(folder / DECODER, MEND, arena=False)

    @property
    def spellings(self) -> list[str]:
        """What each token spells; "" for the marks and for the bytes that are no text alone."""
        whole = (piece.replace(SPACE, b" ").decode("utf-8", "ignore") for piece in self._pieces[_FIRST_PIECE:])
        return [""] * _FIRST_PIECE + list(whole)

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens spell."""
        spelt = b"".join(self._pieces[token] for token in tokens if token < len(self._pieces))
        return spelt.replace(SPACE, b" ").decode("utf-8", "replace").strip()

    def hear(self, samples: Samples, silence: float) -> Hearing:
        """Encode a sound with so many seconds of silence before and after it. Without any, a word that is cut off is said over and over."""
        sound = np.pad(samples.astype(np.float32) / 32768, round(silence * SAMPLE_RATE))[None]
        memory = self._encoder.run(None, {"input_values": sound})[0]
        return Hearing(self._decoder, {f"past_key_values.{layer}.encoder.{part}": memory[row] for row, (layer, part) in enumerate(_PARTS)})


class Hearing:
    """What the decoder needs of one sound."""

    def __init__(self, decoder: Any, memory: dict[str, Floats]) -> None:
        self._decoder = decoder
        self._memory = memory

    def begin(self, rows: int = 1) -> dict[str, Floats]:
        """The cache before the first token, for so many sentences at once."""
        return {f"past_key_values.{layer}.decoder.{part}": np.zeros((rows, HEADS, 0, HEAD_SIZE), np.float32) for layer, part in _PARTS}

    def step(self, tokens: npt.NDArray[np.int64], cache: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """Log likelihoods of what follows each token, float32[rows, n, vocabulary], after int64[rows, n] tokens; and the longer cache."""
        logits, *longer = self._decoder.run(None, {"input_ids": tokens, **self._memory, **cache})
        logits -= logits.max(axis=-1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return logits, dict(zip(cache, longer, strict=True))


def _read_vocabulary(path: Path) -> list[bytes]:
    """The pieces by number: each its length, in one byte or in two from 128 on, and its bytes."""
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The speech model's {path} cannot be read ({error.strerror})", MEND) from None
    pieces, at = [], 0
    while at < len(packed):
        size = packed[at]
        if size >= 128 and at + 1 < len(packed):
            at += 1
            size += packed[at] * 128 - 128
        pieces.append(packed[at + 1 : at + 1 + size])
        at += 1 + size
    if at != len(packed) or len(pieces) <= _FIRST_PIECE:
        raise ModelError(f"The speech model's {path} is damaged", MEND)
    return [b""] * 3 + pieces[3:]
