"""The arithmetic of proximal policy optimisation (Schulman et al. 2017), on tensors of B answers of up to A tokens.

`mask` (B, A) is 1 where an answer has a token and 0 behind it; each answer has at least one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def token_rewards(scores: Any, logps: Any, reference: Any, mask: Any, kl: float) -> Any:
    """What each token earns: the answer's score at its last, and at each the price of leaving the reference (Ziegler et al. 2019).

    Args:
        scores: (B,) of the answers.
        logps: (B, A) log-probabilities of the tokens, of the policy that wrote them.
        reference: (B, A) of the policy to stay near.
        mask: (B, A).
        kl: the weight of the divergence.
    """
    rewards = -kl * (logps - reference) * mask
    last = mask.sum(1, keepdim=True).long() - 1
    return rewards.scatter_add(1, last, scores[:, None])


def gae(rewards: Any, values: Any, mask: Any, discount: float, trace: float) -> tuple[Any, Any]:
    """Generalised advantage estimation (Schulman et al. 2015), of an episode that ends with its last token.

    error_t = r_t + discount * V_{t+1} - V_t, and A_t = error_t + discount * trace * A_{t+1}.

    Args:
        rewards: (B, A) of the tokens.
        values: (B, A) what was expected before each token.
        mask: (B, A).
        discount: of what comes a token later (gamma).
        trace: how far an error is traced back (lambda).

    Returns:
        The advantages, and the returns A_t + V_t that the values should have been; both (B, A).
    """
    advantages = rewards.new_zeros(rewards.shape)
    ahead = next_value = rewards.new_zeros(len(rewards))
    for step in reversed(range(rewards.shape[1])):
        error = rewards[:, step] + discount * next_value - values[:, step]
        ahead = (error + discount * trace * ahead) * mask[:, step]
        next_value = values[:, step] * mask[:, step]
        advantages[:, step] = ahead
    return advantages, (advantages + values) * mask


def _here(total: Any) -> Any:
    return total


def whitened(values: Any, mask: Any, total: Callable[[Any], Any] = _here) -> Any:
    """With mean 0 and variance 1 over all tokens; `total` adds what several processes have."""
    mean = masked_mean(values, mask, total)
    variance = masked_mean((values - mean) ** 2, mask, total)
    return (values - mean) * (variance + 1e-8).rsqrt() * mask


def masked_mean(values: Any, mask: Any, total: Callable[[Any], Any] = _here) -> Any:
    """Over the tokens."""
    return total((values * mask).sum()) / total(mask.sum())


def policy_losses(logps: Any, old: Any, advantages: Any, clip: float) -> Any:
    """The clipped surrogate of each token (equation 7 of the paper), as a loss: past the clip there is nothing to be gained."""
    ratio = (logps - old).exp()
    return -(ratio * advantages).minimum(ratio.clamp(1 - clip, 1 + clip) * advantages)


def value_losses(values: Any, old: Any, returns: Any, clip: float) -> Any:
    """Half the squared error of each value, which moves no farther than the clip at a time."""
    near = old + (values - old).clamp(-clip, clip)
    return 0.5 * ((values - returns) ** 2).maximum((near - returns) ** 2)
