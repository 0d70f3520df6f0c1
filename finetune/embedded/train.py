"""Trains the embedded Llama from scratch: a byte-level tokenizer, then the model, on one CPU core or a GPU.

The sentences of a step share their skill list, so its keys and values are computed once a step and every sentence attends to
them, which costs a tenth of repeating the list and gives the same gradients.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.embedded.begun import MEND, check_settings, keep_settings
from finetune.embedded.sample import Source, Step, steps
from otto.errors import UsageError
from otto.router.causal import EOS

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class LlamaSettings:
    """Size and schedule. About 5.2 million parameters as it stands."""

    vocabulary: int = 8192
    hidden: int = 256
    feed_forward: int = 768
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2
    context: int = 2048  # tokens
    steps: int = 4400
    without_list: int = 2000  # of the steps: the first ones, on sentences alone
    step_size: int = 48  # sentences
    learning_rate: float = 1.2e-3
    warmup: int = 100  # steps
    weight_decay: float = 0.05
    seed: int = 7
    threads: int = 1
    save_every: int = 250  # steps


def train_tokenizer(sources: Sequence[Source], settings: LlamaSettings) -> Tokenizer:
    """A byte-level BPE tokenizer of the prompts and calls. Digits stand alone, so that numbers are copied, not remembered."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=[EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    feed = steps(sources, settings.step_size, settings.seed)
    tokenizer.train_from_iterator((text for _ in range(600) for text in _texts(next(feed))), trainer)
    return tokenizer


def _texts(step: Step) -> Iterator[str]:
    yield step.prefix
    for suffix, call in step.pairs:
        yield suffix + call


def train_llama(sources: Sequence[Source], settings: LlamaSettings, folder: Path) -> Path:
    """Train, logging to `folder/log.jsonl` and saving a checkpoint that a second start goes on from; the result is `folder/model`.

    Raises:
        UsageError: the checkpoint there is of other settings or other examples.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(sources, settings)
    if (folder / "checkpoint.pt").exists():
        _check_begun(tokenizer, settings, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    keep_settings(settings, folder / "settings.json")
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=settings.hidden,
        intermediate_size=settings.feed_forward,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.key_value_heads,
        max_position_embeddings=settings.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(EOS),
        pad_token_id=None,
    )
    model = LlamaForCausalLM(config)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trainer = _Trainer(model.to(device), tokenizer, settings)
    trainer.run(steps(sources, settings.step_size, settings.seed + 1, settings.without_list), folder)
    model.float().cpu().save_pretrained(folder / "model")
    tokenizer.save(str(folder / "model" / "tokenizer.json"))
    return folder / "model"


def _check_begun(tokenizer: Tokenizer, settings: LlamaSettings, folder: Path) -> None:
    """Raises UsageError where the checkpoint in the folder cannot be gone on from: with another tokenizer its vectors are of other words."""
    from tokenizers import Tokenizer

    check_settings(settings, folder / "settings.json")
    if Tokenizer.from_file(str(folder / "tokenizer.json")).to_str() != tokenizer.to_str():
        raise UsageError(f"The examples have changed since the training in {folder} was begun", MEND)


class _Trainer:
    """bfloat16 forward and backward (twice the speed where the CPU has AMX), float32 weights in the optimiser."""

    def __init__(self, model: LlamaForCausalLM, tokenizer: Tokenizer, settings: LlamaSettings) -> None:
        import torch

        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        self.eos = tokenizer.token_to_id(EOS)
        self.masters = [parameter.detach().clone().float().requires_grad_() for parameter in model.parameters()]
        decayed = [master for master in self.masters if master.dim() > 1]
        plain = [master for master in self.masters if master.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))
        model.to(torch.bfloat16).train()

    def run(self, feed: Iterator[Step], folder: Path) -> None:
        import torch

        checkpoint, log = folder / "checkpoint.pt", folder / "log.jsonl"
        done = self._load(checkpoint)
        for _ in range(done):
            next(feed)
        started, losses = time.monotonic(), []
        for number in range(done, self.settings.steps):
            losses.append(self._step(next(feed), self._rate(number)))
            if (number + 1) % 25 == 0:
                line = {"step": number + 1, "loss": round(sum(losses) / len(losses), 4), "seconds": round(time.monotonic() - started, 1)}
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                losses = []
            if (number + 1) % self.settings.save_every == 0:
                torch.save({"step": number + 1, "masters": self.masters, "optimizer": self.optimizer.state_dict()}, checkpoint.with_suffix(".new"))
                checkpoint.with_suffix(".new").replace(checkpoint)
        self._copy_to_model()

    def _load(self, checkpoint: Path) -> int:
        import torch

        if not checkpoint.exists():
            return 0
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        with torch.no_grad():
            for master, saved in zip(self.masters, state["masters"], strict=True):
                master.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def _rate(self, number: int) -> float:
        """Linear warm-up, then a cosine to a twentieth."""
        if number < self.settings.warmup:
            return self.settings.learning_rate * (number + 1) / self.settings.warmup
        share = (number - self.settings.warmup) / max(1, self.settings.steps - self.settings.warmup)
        return self.settings.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))

    def _step(self, step: Step, rate: float) -> float:
        import torch

        self._copy_to_model()
        loss = self._loss(step)
        loss.backward()
        with torch.no_grad():
            for master, parameter in zip(self.masters, self.model.parameters(), strict=True):
                master.grad = None if parameter.grad is None else parameter.grad.float()
                parameter.grad = None
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return float(loss.detach())

    def _copy_to_model(self) -> None:
        import torch

        with torch.no_grad():
            for master, parameter in zip(self.masters, self.model.parameters(), strict=True):
                parameter.copy_(master)

    def _loss(self, step: Step) -> torch.Tensor:
        """Cross-entropy of the calls' tokens, each sentence attending to the shared prefix and to itself."""
        import torch
        from transformers import DynamicCache

        device = next(self.model.parameters()).device
        ids, labels = self._batch(step)
        ids, labels = ids.to(device), labels.to(device)
        size, length = ids.shape
        prefix = torch.tensor([self.tokenizer.encode(step.prefix or "\n").ids], device=device)
        cached = self.model.model(prefix, use_cache=True).past_key_values
        shared = DynamicCache()
        for number, layer in enumerate(cached.layers):
            shared.update(layer.keys.expand(size, -1, -1, -1), layer.values.expand(size, -1, -1, -1), number)
        start = prefix.shape[1]
        hidden = self.model.model(
            ids,
            past_key_values=shared,
            attention_mask=torch.ones(size, start + length, device=device),  # the padding stands behind all that counts
            position_ids=torch.arange(start, start + length, device=device).expand(size, -1),
        ).last_hidden_state
        wanted = labels[:, 1:] >= 0
        logits = self.model.lm_head(hidden[:, :-1][wanted])
        return torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][wanted])

    def _batch(self, step: Step) -> tuple[torch.Tensor, torch.Tensor]:
        """ids (B, L) and labels (B, L), -100 where nothing is to be learnt."""
        import torch

        rows = []
        for suffix, call in step.pairs:
            prompt, answer = self.tokenizer.encode(suffix).ids, [*self.tokenizer.encode(call).ids, self.eos]
            rows.append((prompt + answer, [-100] * len(prompt) + answer))
        length = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [self.eos] * (length - len(ids)) for ids, _ in rows])
        labels = torch.tensor([labels + [-100] * (length - len(labels)) for _, labels in rows])
        return ids, labels
