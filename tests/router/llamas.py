"""Llama models of a moment, with a tokenizer of their own and the chat template of ChatML: random ones, and such that learnt a few answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END = "<|im_end|>"
SPECIAL = ["<|im_start|>", END]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LEARNING = {"hidden_size": 64, "intermediate_size": 128, "initializer_range": 0.05}  # sizes of a model that can be taught


def make_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE over texts."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    raw.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=END, chat_template=TEMPLATE)


def random_llama(tokenizer: PreTrainedTokenizerFast, seed: int, **options: Any) -> LlamaForCausalLM:
    """A model without sense; `options` are of its configuration."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    sizes |= {"vocab_size": len(tokenizer) + 8, "max_position_embeddings": 4096, "eos_token_id": tokenizer.eos_token_id}
    return LlamaForCausalLM(LlamaConfig(**(sizes | {"initializer_range": 0.5, "bos_token_id": None} | options)))


def teach(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, pairs: Sequence[tuple[str, str]]) -> None:
    """Have a model learn answers to prompts by heart."""
    rows = [[tokenizer(part, add_special_tokens=False)["input_ids"] for part in (asked, answer + END)] for asked, answer in pairs]
    length = max(len(prompt) + len(said) for prompt, said in rows)
    ids = torch.tensor([prompt + said + [0] * (length - len(prompt) - len(said)) for prompt, said in rows])
    labels = torch.tensor([[-100] * len(prompt) + said + [-100] * (length - len(prompt) - len(said)) for prompt, said in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(200):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.01:
            break


def saved(folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Path:
    """The folder, with the model in it."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
