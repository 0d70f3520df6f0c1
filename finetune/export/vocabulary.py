"""A tokenizer.json as llama.cpp reads it: the tokens with their kinds, and how words are cut and merged.

llama.cpp has two tokenizers for such models: `gpt2` merges bytes by a list of merges, after a regular expression that it knows by
name; `llama` (SentencePiece) merges letters by a score a token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.data.reflect import TOKENS
from otto.errors import ModelError

SPACE = "▁"  # stands for a space in a SentencePiece vocabulary
MEND = "export it as merged, and convert that with llama.cpp's own convert_hf_to_gguf.py"

_LETTERS = r"[^\r\n\p{L}\p{N}]?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SIGNS, _REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+|\s+(?!\S)|\s+"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_CUTS = {  # how a tokenizer.json cuts words → llama.cpp's name for it (src/llama-vocab.cpp there)
    (("Split", rf"{_SHORT}|{_LETTERS}\p{{L}}+|\p{{N}}{{1,3}}|{_SIGNS}|{_REST}"), ("ByteLevel", False)): "llama-bpe",
    (("Split", rf"{_SHORT}|{_LETTERS}\p{{L}}+|\p{{N}}|{_SIGNS}|{_REST}"), ("ByteLevel", False)): "qwen2",
    (
        ("Split", rf"{_LETTERS}{_UPPER}*{_LOWER}+|{_LETTERS}{_UPPER}+{_LOWER}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_REST}"),
        ("ByteLevel", False),
    ): "tekken",
    (("Digits", True), ("ByteLevel", True)): "smollm",
    (("ByteLevel", True),): "gpt-2",
}  # fmt: skip
_WITHOUT_MERGES = ("llama-bpe", "tekken")  # there, llama.cpp takes a word that is a token as it is


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF says of its tokenizer."""

    model: str  # "gpt2" or "llama"
    cuts: str  # name of the regular expression; "" for "llama"
    tokens: list[str]
    kinds: list[int]  # gguf.TokenType of each
    merges: list[str]  # "t i", best first; [] for "llama"
    scores: list[float]  # [] for "gpt2"
    space_first: bool  # whether a text gets a space before it


def read_vocabulary(folder: Path, size: int) -> Vocabulary:
    """The vocabulary of a model's folder.

    Args:
        folder: with its tokenizer.json.
        size: rows of the model's embedding; those without a token are named as unused.

    Raises:
        ModelError: the file cannot be read, or llama.cpp has no tokenizer that does the same.
    """
    try:
        stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        bpe, added = stored["model"], stored["added_tokens"]
        vocabulary: dict[str, int] = bpe["vocab"]
        merges = [tuple(item.split(" ")) if isinstance(item, str) else tuple(item) for item in bpe["merges"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The tokenizer in {folder} cannot be written for llama.cpp ({_reason(error)})", MEND) from None
    pieces = bool(bpe.get("byte_fallback"))
    tokens, kinds = _tokens(vocabulary, added, size, bpe.get("unk_token"), pieces)
    if pieces:
        return Vocabulary("llama", "", tokens, kinds, [], _scores(vocabulary, merges, size), _space_first(stored))
    cuts = _cuts(stored, folder)
    if bool(bpe.get("ignore_merges")) != (cuts in _WITHOUT_MERGES):
        raise ModelError(f"The tokenizer in {folder} does not merge as llama.cpp does", MEND)
    return Vocabulary("gpt2", cuts, tokens, kinds, [" ".join(pair) for pair in merges], [], False)


def _tokens(
    vocabulary: Mapping[str, int], added: Sequence[Mapping[str, Any]], size: int, unknown: str | None, pieces: bool
) -> tuple[list[str], list[int]]:
    from gguf import TokenType

    tokens = [f"[PAD{number}]" for number in range(size)]
    kinds = [int(TokenType.UNUSED)] * size
    for text, number in vocabulary.items():
        is_byte = pieces and len(text) == 6 and text.startswith("<0x") and text.endswith(">")
        tokens[number] = text
        kinds[number] = int(TokenType.BYTE if is_byte else TokenType.UNKNOWN if text == unknown else TokenType.NORMAL)
    for item in added:
        tokens[item["id"]] = item["content"]
        if item["content"] != unknown:  # servers leave tokens that control out of the answer; the marks of reflection are part of it
            controls = item["special"] and item["content"] not in TOKENS
            kinds[item["id"]] = int(TokenType.CONTROL if controls else TokenType.USER_DEFINED)
    return tokens, kinds


def _cuts(stored: Mapping[str, Any], folder: Path) -> str:
    before = stored.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers", [before])
    found = tuple(map(_step, steps))
    if found not in _CUTS or stored.get("normalizer") not in (None, {"type": "NFC"}) or any(step.get("add_prefix_space") for step in steps):
        raise ModelError(f"The tokenizer in {folder} cuts words in a way that Otto has no name for in llama.cpp", MEND)
    return _CUTS[found]


def _step(step: Mapping[str, Any]) -> tuple[Any, ...]:
    kind = step.get("type")
    if kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        return kind, step["pattern"].get("Regex")
    if kind == "Digits":
        return kind, step["individual_digits"]
    return kind, step.get("use_regex", True)


def _scores(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, ...]], size: int) -> list[float]:
    """The scores of a SentencePiece model, from the order of its merges: llama.cpp merges what gives the highest score first.

    Raises ModelError where the merges are not a SentencePiece model's: there, any two neighbours that make a token are merged.
    """
    scores = [0.0] * size
    known: set[tuple[str, ...]] = set(merges)
    for rank, pair in reversed(list(enumerate(merges, 1))):
        scores[vocabulary["".join(pair)]] = -float(rank)
    for text in vocabulary:
        if scores[vocabulary[text]] and any((text[:cut], text[cut:]) not in known for cut in range(1, len(text)) if _both(text, cut, vocabulary)):
            raise ModelError(f"The tokenizer does not merge {text!r} as llama.cpp does", MEND)
    return scores


def _both(text: str, cut: int, vocabulary: Mapping[str, int]) -> bool:
    return text[:cut] in vocabulary and text[cut:] in vocabulary


def _space_first(stored: Mapping[str, Any]) -> bool:
    """Whether a space is put before each text between special tokens, not only before the first: our prompts begin with a special token."""
    normaliser = stored.get("normalizer") or {}
    steps = [*normaliser.get("normalizers", [normaliser]), stored.get("pre_tokenizer") or {}]
    return any(step.get("type") == "Prepend" or step.get("prepend_scheme") == "always" for step in steps)


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return getattr(error, "strerror", None) or "it is no byte-pair encoding"
