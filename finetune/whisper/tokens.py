"""The small Whisper's tokenizer: byte-level BPE of the sentences, and Whisper's special tokens where faster-whisper looks for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END, START, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS = "<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"
SPECIAL = (END, START, "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", PREVIOUS, NO_SPEECH, NO_TIMESTAMPS)
TIMESTAMPS = tuple(f"<|{number * 0.02:.2f}|>" for number in range(1501))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def train_tokenizer(texts: Iterable[str], pieces: int) -> Tokenizer:
    """A tokenizer of `pieces` pieces besides the special tokens, the pieces of all letters among them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=pieces, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    # faster-whisper never lets a model write a lone space, so each letter needs a piece that begins with one
    single = [f" {letter}" for letter in _LETTERS for _ in range(2_000)]
    tokenizer.train_from_iterator([*single, *(f" {text}" for text in texts)], trainer)
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_tokens(list(TIMESTAMPS))
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write what transformers and faster-whisper read."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, bos_token=END, unk_token=END)
    fast.save_pretrained(folder)
