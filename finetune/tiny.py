"""A base to try the stages with where there is neither a GPU nor a model: a Llama or a Mistral that is made and trained in a minute.

LoRA on random weights learns nothing, so the base is trained by plain torch first: it knows the words of the rows and answers in a notation that
is not the call syntax, which is left for a stage to teach. It is good for nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finetune.data.split import TRAIN
from finetune.rows import TrainingRow
from otto.call import Call
from otto.errors import UsageError

KINDS = {"mistral": "mistral-instruct", "llama": "llama-2-chat"}  # with the prompt family of each
STEPS = 1000
RATE = 4e-3
IGNORED = -100
_START, _END, _PAD = "<s>", "</s>", "<pad>"

Pair = tuple[str, str]  # what is read, and what is to be written


def lessons(rows: Sequence[TrainingRow]) -> list[list[Pair]]:
    """What a base learns from the training part of rows: answers in the other notation, to whole prompts and to their last lines; repeating calls.

    The last line is what was said. Short texts teach to read it there, in a fraction of the time that whole prompts take.

    Raises:
        UsageError: no row is of the split train, or the rows are messages.
    """
    learn = [row for row in rows if row.split == TRAIN]
    if not learn or not all(isinstance(row.prompt, str) for row in learn):
        raise UsageError("There are no rows to make a base of", "collect some with `otto finetune data collect --format mistral-instruct`")
    answers = [(str(row.prompt), f" {other_notation(row.call)}{_END}") for row in learn]
    last_lines = [(_START + prompt.removeprefix(_START).rpartition("\n")[2], answer) for prompt, answer in answers]
    again = [(f"{_START}again {row.call}", f" {row.call}{_END}") for row in learn]
    return [answers, last_lines, again, last_lines, again]


def other_notation(call: Call) -> str:
    """`timer duration 5 minutes`."""
    return " ".join([call.name, *(f"{name} {value}" for name, value in call.arguments.items())])


def make_base(
    lessons: Sequence[Sequence[Pair]],
    folder: Path,
    *,
    kind: str = "mistral",
    vocabulary: int = 800,
    steps: int = STEPS,
    batch: int = 16,
    seed: int = 1,
    note: Callable[[str], None] = lambda text: None,
) -> float:
    """Make a base of a third of a million parameters, train it, and write it to a folder; the loss that it came to.

    Args:
        lessons: pairs of one length or another; each step learns from the next of the lists, so that little is padded.
        kind: "mistral" or "llama".
        vocabulary: tokens at most.
        note: told how it goes.
    """
    import torch

    tokenizer = make_tokenizer([read + written for pairs in lessons for read, written in pairs], vocabulary)
    torch.manual_seed(seed)
    model = _model(kind, len(tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    rng = random.Random(seed)
    for step in range(1, steps + 1):
        pairs = lessons[step % len(lessons)]
        loss = model(**_batch(tokenizer, rng.sample(list(pairs), min(batch, len(pairs))))).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            note(f"step {step} of {steps}: loss {float(loss.detach()):.3f}")
    model.save_pretrained(folder)
    tokenizer.init_kwargs["otto_prompt"] = KINDS[kind]
    tokenizer.save_pretrained(folder)
    return float(loss.detach())


def make_tokenizer(texts: Sequence[str], vocabulary: int) -> Any:
    """A byte-level BPE of the texts' own words, digits apart."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    inner.decoder = decoders.ByteLevel()
    special, alphabet = [_START, _END, _PAD], pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=_START, eos_token=_END, pad_token=_PAD)


def _model(kind: str, vocabulary: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

    sizes: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 2048, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
    }  # fmt: skip
    return LlamaForCausalLM(LlamaConfig(**sizes)) if kind == "llama" else MistralForCausalLM(MistralConfig(**sizes, sliding_window=None))


def _batch(tokenizer: Any, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Token ids, their mask, and labels of what is to be written alone: (rows, longest)."""
    batch = tokenizer([read + written for read, written in pairs], padding=True, add_special_tokens=False, return_tensors="pt")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
    for row, (read, _) in enumerate(pairs):
        labels[row, : len(tokenizer(read, add_special_tokens=False)["input_ids"])] = IGNORED
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}
