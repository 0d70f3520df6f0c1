"""How much memory a stage needs: an estimate from the sizes in the base's config.json. Nothing is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.config import AnyStage, Rewarded
from otto.errors import ModelError

NF4_BYTES = 0.5 + 0.127 / 8  # a weight: four bits, and its share of the doubly quantised scales (Dettmers et al. 2023)
GIB = 2**30
CUDA = 0.8 * GIB  # of a GPU, for the context and the kernels of torch and bitsandbytes


@dataclass(frozen=True)
class Sizes:
    """Of a Llama or a Mistral."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    key_value_heads: int
    head: int  # width of a head
    vocabulary: int
    tied: bool  # the output layer is the embedding

    @classmethod
    def read(cls, base: Path) -> Sizes:
        """Raises ModelError where the folder holds no model with these sizes."""
        try:
            config: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
            heads = config["num_attention_heads"]
            return cls(
                config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"], heads,
                config.get("num_key_value_heads") or heads, config.get("head_dim") or config["hidden_size"] // heads,
                config["vocab_size"], bool(config.get("tie_word_embeddings")),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or "it is damaged"
            raise ModelError(f"{base / 'config.json'} cannot be used ({reason})", "give base=FOLDER the folder of a Mistral or Llama model") from None

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """What each target's matrix takes and gives, in one layer."""
        query, keys = self.heads * self.head, self.key_value_heads * self.head
        return {
            "q_proj": (self.hidden, query), "k_proj": (self.hidden, keys), "v_proj": (self.hidden, keys), "o_proj": (query, self.hidden),
            "gate_proj": (self.hidden, self.feed_forward), "up_proj": (self.hidden, self.feed_forward), "down_proj": (self.feed_forward, self.hidden),
        }  # fmt: skip

    @property
    def linear(self) -> int:
        """Parameters in the layers' matrices: what is quantised."""
        return self.layers * sum(taken * given for taken, given in self.matrices.values())

    @property
    def others(self) -> int:
        """Embeddings, output layer, norms."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2) + self.hidden * (2 * self.layers + 1)

    def adapter(self, r: int, targets: tuple[str, ...]) -> int:
        """Parameters of an adapter of rank r."""
        known = self.matrices
        return self.layers * sum(r * sum(known[name]) for name in targets if name in known)


@dataclass(frozen=True)
class Memory:
    """Bytes, by what holds them."""

    parameters: int
    trained: int
    weights: float
    adapter: float  # its weights, gradients and the two moments of AdamW
    activations: float
    logits: float
    runtime: float  # of the GPU, taken by CUDA itself

    @property
    def total(self) -> float:
        """With a tenth on top for what an allocator wastes."""
        return 1.1 * (self.weights + self.adapter + self.activations + self.logits + self.runtime)


def memory(settings: AnyStage, sizes: Sizes, quantised: bool, gpu: bool) -> Memory:
    """The peak, in training. For Qwen-7B it is 15 % below to 2 % above what its authors measured, at 256 to 8192 tokens.

    Activations follow Korthikanti et al. 2022 (34 bytes a token and unit of width in 16 bits, attention in a fused kernel); with
    checkpointing only a layer's input is kept, and one layer computed anew.
    """
    width = 2 if gpu else 4  # bytes of a number that is not quantised
    weights = sizes.linear * (NF4_BYTES if quantised else width) + sizes.others * width
    trained = sizes.adapter(settings.lora.r, settings.lora.targets)
    copies = 2 if settings.stage == "dpo" else 1  # chosen and rejected
    reference = 0 if settings.stage == "sft" else trained * width  # a frozen copy of the adapter
    tokens = settings.training.batch * settings.training.max_length * copies
    a_layer = 34 * tokens * sizes.hidden * width / 2
    kept = sizes.layers * tokens * sizes.hidden * width + a_layer if settings.training.checkpointing else sizes.layers * a_layer
    if isinstance(settings, Rewarded):  # all answers of a step are sampled at once, each with its keys and values
        cache = 2 * sizes.layers * sizes.key_value_heads * sizes.head * width
        kept = max(kept, float(tokens * settings.training.accumulate * cache))
    learned = trained * (width + width + 8) + reference
    logits = 2.0 * tokens * sizes.vocabulary * 4
    return Memory(sizes.linear + sizes.others, trained, weights, learned, kept, logits, CUDA if gpu else 0.0)


def gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:.1f} MiB"
