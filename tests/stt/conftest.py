"""A Whisper model of our own: a few thousand weights, taught one sentence, in the format of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TAUGHT = "unmute"  # one word: faster-whisper never lets a model say a lone space, and this one has no longer tokens
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
TIMESTAMPS = [f"<|{number * 0.02:.2f}|>" for number in range(1501)]


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a CTranslate2 Whisper model that hears "unmute" in everything."""
    torch = pytest.importorskip("torch", reason="torch makes the model")
    transformers = pytest.importorskip("transformers", reason="transformers makes the model")
    from ctranslate2.converters import TransformersConverter
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("models") / "tiny.en"
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(TIMESTAMPS)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=SPECIAL[0], bos_token=SPECIAL[0], unk_token=SPECIAL[0])
    fast.save_pretrained(source)
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(source)
    token = {name: tokenizer.token_to_id(name) for name in SPECIAL}

    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=64, pad_token_id=token[SPECIAL[0]], bos_token_id=token[SPECIAL[0]], eos_token_id=token[SPECIAL[0]],
        decoder_start_token_id=token["<|startoftranscript|>"], suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    said = tokenizer.encode(TAUGHT).ids
    begin = [token["<|startoftranscript|>"], token["<|notimestamps|>"]]
    _teach(model, [begin, [token["<|startofprev|>"], *said, *begin]], [*said, token["<|endoftext|>"]])
    model.save_pretrained(source)
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(str(folder))
    return folder


def _teach(model: Any, prompts: list[list[int]], answer: list[int]) -> None:
    """Teacher forcing until the sentence stands. The encoder stays as it is: what it says of noise is worked out once."""
    import torch

    with torch.no_grad():
        heard = model.model.encoder(torch.randn(1, 80, 3000) * 0.3).last_hidden_state
    optimizer = torch.optim.Adam(model.model.decoder.parameters(), lr=0.01)
    for _ in range(300):
        losses = []
        for prompt in prompts:
            tokens = torch.tensor([prompt + answer])
            logits = model(encoder_outputs=(heard,), decoder_input_ids=tokens[:, :-1]).logits
            losses.append(torch.nn.functional.cross_entropy(logits[0, len(prompt) - 1 :], tokens[0, len(prompt) :]))
        loss = sum(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.05:
            return
    raise AssertionError(f"the model did not learn its sentence, loss {loss.item():.2f}")
