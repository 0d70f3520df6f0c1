"""Reads texts with a large language model, token by token, and keeps what the next text may share with this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Reader:
    """A network and the keys and values of the tokens that it has read."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._forget()

    def begin(self, prompt: Sequence[int]) -> list[int]:
        """Cut the cache down to what the prompt begins with; the rest of the prompt, at least one token."""
        shared = 0
        for seen, token in zip(self.seen, prompt[:-1], strict=False):
            if seen != token:
                break
            shared += 1
        self._cache.crop(shared - len(self.seen))
        del self.seen[shared:]
        return list(prompt[shared:])

    def read(self, tokens: Sequence[int]) -> torch.Tensor:
        """Logits of the token that follows: float32[vocabulary]."""
        import torch

        ids = torch.tensor([tokens], device=self._network.device)
        try:
            logits = self._network(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1).logits
        except BaseException:
            self._forget()  # the layers of a cache that was being written may differ
            raise
        self.seen += tokens
        return logits[0, -1].float()

    def _forget(self) -> None:
        from transformers import DynamicCache

        self._cache = DynamicCache()  # keys and values of the tokens that were seen
        self.seen: list[int] = []
