"""The sentence encoder: text → a vector that lies near those of sentences that ask for the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from otto.errors import ModelError
from otto.paths import PACKAGE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

WEIGHTS = PACKAGE / "router" / "weights"
WIDTH = 384
MAX_TOKENS = 64


class Encoder:
    """A MiniLM of six layers as int8 ONNX, tuned by `otto finetune embedded`.

    Raises:
        ModelError: its files are missing or damaged.
    """

    def __init__(self, folder: Path = WEIGHTS) -> None:
        from tokenizers import Tokenizer

        from otto.router.onnx import MEND, open_session

        self._session = open_session(folder / "encoder.onnx")
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "encoder.json"))
        except Exception as error:  # noqa: BLE001  the library raises bare Exception
            raise ModelError(f"The encoder in {folder} cannot be read ({error})", MEND) from None
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def vector(self, text: str) -> Vectors:
        """float32[384], of length 1."""
        vector: Vectors = self.vectors([text])[0]
        return vector

    def vectors(self, texts: Sequence[str], batch: int = 32) -> Vectors:
        """float32[n, 384], each of length 1, in the order of the texts."""
        import numpy as np

        found = np.zeros((len(texts), WIDTH), np.float32)
        encoded = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index].ids))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            length = max(len(encoded[index].ids) for index in chosen)
            ids = np.zeros((len(chosen), length), np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(chosen):
                ids[row, : len(encoded[index].ids)] = encoded[index].ids
                mask[row, : len(encoded[index].ids)] = 1
            found[chosen] = self._session.run(["vector"], {"input_ids": ids, "attention_mask": mask})[0]
        return found


@cache
def shared_encoder(folder: Path = WEIGHTS) -> Encoder:
    """One encoder for the whole process: loading it takes longer than using it."""
    return Encoder(folder)
