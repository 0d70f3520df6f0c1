"""Counts tokens with a tokenizer on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otto.errors import StoreError

ESTIMATE = "Tokens are counted with the embedded Llama's own tokenizer: an estimate. For a model's real counts: --tokenizer FOLDER"
LIMITS = {  # tokens that the models of a family read at least, where no model says its own
    "mistral-instruct": 8192,
    "llama-2": 4096,
    "llama-2-chat": 4096,
    "llama-3": 8192,
    "chatml": 8192,
    "openai": 65536,
}


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer, and whose it is."""

    name: str
    estimate: bool  # True where it is not that of the model to be trained
    limit: int | None  # tokens that its model reads, where it says
    inner: Any  # tokenizers.Tokenizer

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, none added."""
        encoded = self.inner.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(item.ids) for item in encoded]


def open_tokenizer(folder: Path | None) -> Tokenizer:
    """The tokenizer of a model's folder (its tokenizer.json), or the embedded Llama's.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    from tokenizers import Tokenizer as Inner

    from otto.router.encoder import WEIGHTS

    file = (folder / "tokenizer.json" if folder.is_dir() else folder) if folder else WEIGHTS / "llama.json"
    try:
        text = file.read_text(encoding="utf-8")
        inner = Inner.from_str(text if folder else json.dumps(json.loads(text)["tokenizer"]))
        inner.no_truncation()
        inner.no_padding()
    except Exception as error:  # noqa: BLE001  the tokenizers library raises bare Exception
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        mend = "give --tokenizer the folder of a model that has a tokenizer.json"
        raise StoreError(f"The tokenizer {file} cannot be read ({reason})", mend) from None
    return Tokenizer(folder.name if folder else "embedded", folder is None, _limit(folder) if folder else None, inner)


def _limit(folder: Path) -> int | None:
    try:
        value = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return None
    return value if isinstance(value, int) and value > 0 else None


def summary(counts: Iterable[int]) -> dict[str, float]:
    """min, max, mean, median, p5, p95 of counts and their sum; {} of none."""
    import numpy as np

    found = np.array(sorted(counts))
    if not len(found):
        return {}
    p5, median, p95 = (float(value) for value in np.percentile(found, [5, 50, 95]))
    return {"min": int(found[0]), "max": int(found[-1]), "mean": float(found.mean()), "median": median, "p5": p5, "p95": p95, "sum": int(found.sum())}
