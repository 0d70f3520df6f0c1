"""Reads and writes with a large language model, token by token; what the next text may share with this one is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from otto.router.loading import Speech


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


class Writer:
    """Writes an answer to a prompt, the likeliest token each time; held to a grammar where one is given."""

    def __init__(self, reader: Reader, prompt: Sequence[int], speech: Speech, width: int, matcher: Any = None) -> None:
        """Writes nothing yet.

        Args:
            reader: what reads the prompt, and then each token.
            prompt: its tokens.
            speech: tells the tokens that end an answer.
            width: how many of the logits are tokens of this speech.
            matcher: of llguidance, for this answer alone. What it forces is not asked of the model.
        """
        self._reader, self._ends, self._width, self._matcher = reader, speech.ends, width, matcher
        self._unread = reader.begin(prompt)
        self.tokens: list[int] = []  # of the answer, without what ends it
        self.log_probability = 0.0  # of the choices, among all that the model could have said instead
        self.ended = False

    def step(self) -> None:
        """Write the next token, and what follows from it."""
        logits = self._reader.read(self._unread)[: self._width]
        token = int(self._allowed(logits).argmax())
        self.log_probability += float(logits.log_softmax(-1)[token])
        forced = self._follow(token)
        if token in self._ends:
            self.ended = True
            return
        self._unread = [token, *forced]
        self.tokens += self._unread

    def _allowed(self, logits: torch.Tensor) -> torch.Tensor:
        import torch

        if self._matcher is None:
            return logits
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)[: len(logits)] > 0
        return logits[: len(allowed)].masked_fill(~allowed.to(logits.device), -math.inf)

    def _follow(self, token: int) -> list[int]:
        """The tokens that the grammar forces behind this one."""
        if self._matcher is None:
            return []
        self._matcher.consume_token(token)
        if token in self._ends:
            return []
        forced: list[int] = self._matcher.compute_ff_tokens()
        self._matcher.consume_tokens(forced)
        self.ended = bool(self._matcher.is_stopped())
        return forced
