"""The arithmetic of PPO: against examples by hand, and a toy problem whose best policy has a closed form."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="tensors")

from finetune.stages import policy  # noqa: E402  after the skip


def test_advantages_are_those_computed_by_hand() -> None:
    """With discount 0.9 and trace 0.8.

    The first answer has three tokens: errors 1 - 0.8 = 0.2, 0.9 * 0.8 - 0.6 = 0.12, 0.9 * 0.6 - 0.5 = 0.04, so advantages 0.2,
    0.12 + 0.72 * 0.2 = 0.264, 0.04 + 0.72 * 0.264 = 0.23008. The second has two: 1 - 0.25 = 0.75, 0.9 * 0.25 - 0.5 + 0.72 * 0.75 = 0.265.
    """
    rewards = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    values = torch.tensor([[0.5, 0.6, 0.8], [0.5, 0.25, 9.0]])  # what stands behind an answer counts for nothing
    mask = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    advantages, returns = policy.gae(rewards, values, mask, discount=0.9, trace=0.8)
    assert advantages.tolist() == [pytest.approx([0.23008, 0.264, 0.2]), pytest.approx([0.265, 0.75, 0.0])]
    assert returns.tolist() == [pytest.approx([0.73008, 0.864, 1.0]), pytest.approx([0.765, 1.0, 0.0])]


def test_a_trace_of_one_gives_what_is_still_to_come() -> None:
    rewards = torch.tensor([[0.1, 0.2, 0.3]])
    _, returns = policy.gae(rewards, torch.tensor([[5.0, -2.0, 7.0]]), torch.ones(1, 3), discount=1.0, trace=1.0)
    assert returns.tolist() == [pytest.approx([0.6, 0.5, 0.3])]


def test_the_score_comes_with_the_last_token_and_leaving_the_reference_costs_at_each() -> None:
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    logps = torch.tensor([[-1.0, -2.0, -9.0], [-1.0, -1.0, -1.0]])
    reference = torch.tensor([[-1.5, -1.0, 0.0], [-1.0, -1.0, -1.0]])
    found = policy.token_rewards(torch.tensor([1.0, 0.25]), logps, reference, mask, kl=0.1)
    assert found.tolist() == [pytest.approx([-0.05, 1.1, 0.0]), pytest.approx([0.0, 0.0, 0.25])]


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "why"),
    [
        (1.0, 2.0, -2.0, "nothing has moved"),
        (1.1, 2.0, -2.2, "within the clip"),
        (1.5, 1.0, -1.2, "a better token that is likely enough already"),
        (1.5, -1.0, 1.5, "a worse token that became likelier pays in full"),
        (0.5, 1.0, -0.5, "a better token that became rarer pays in full"),
        (0.5, -1.0, 0.8, "a worse token that is rare enough already"),
    ],
)
def test_past_the_clip_there_is_nothing_to_be_gained(ratio: float, advantage: float, loss: float, why: str) -> None:
    logps = torch.tensor([math.log(ratio) - 1.0], requires_grad=True)
    found = policy.policy_losses(logps, torch.tensor([-1.0]), torch.tensor([advantage]), clip=0.2)
    assert found.item() == pytest.approx(loss), why
    found.backward()
    assert logps.grad is not None
    assert (logps.grad.item() == 0) == ("enough already" in why)


@pytest.mark.parametrize(("value", "loss"), [(0.1, 0.08), (0.4, 0.045), (1.0, 0.125)])  # halves of 0.4², 0.3² (clipped), 0.5²
def test_a_value_moves_no_farther_than_the_clip(value: float, loss: float) -> None:
    assert policy.value_losses(torch.tensor([value]), torch.tensor([0.0]), torch.tensor([0.5]), clip=0.2).item() == pytest.approx(loss)


def test_whitened_numbers_have_mean_0_and_variance_1_over_the_tokens() -> None:
    found = policy.whitened(torch.tensor([[1.0, 3.0, 99.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    assert found.tolist() == [pytest.approx([-1.0, 1.0, 0.0])]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_best_policy_of_a_toy_problem_is_found(seed: int) -> None:
    """Two tokens of three, scored together and at the end. Staying near the uniform policy at the price kl, the best has
    probabilities in proportion to exp(score / kl) (Ziegler et al. 2019, equation 3)."""
    scores = torch.tensor([[0.0, 0.2, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.0]])
    kl = 0.4
    best = (scores.flatten() / kl).softmax(0)
    found = learn(scores, kl, seed)
    assert 0.5 * (found - best).abs().sum() < 0.05  # total variation; of the uniform policy it is 0.41
    assert 0.5 * (torch.full((9,), 1 / 9) - best).abs().sum() > 0.4


def learn(scores: Any, kl: float, seed: int, steps: int = 250, answers: int = 512) -> Any:
    """PPO on tables: one row of logits and a value for no token yet, and for each first token. The probabilities of the nine answers."""
    torch.manual_seed(seed)
    logits, values = torch.zeros(4, 3, requires_grad=True), torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.Adam([{"params": [logits], "lr": 0.03}, {"params": [values], "lr": 0.03}])
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    mask = torch.ones(answers, 2)
    for _ in range(steps):
        first = logits[0].softmax(0).detach().multinomial(answers, replacement=True)
        second = logits[1 + first].softmax(1).detach().multinomial(1)[:, 0]
        states, tokens = torch.stack([torch.zeros_like(first), 1 + first], 1), torch.stack([first, second], 1)
        old, thought = chosen(logits, states, tokens).detach(), values[states].detach()
        rewards = policy.token_rewards(scores[first, second], old, torch.full_like(old, -math.log(3)), mask, kl)
        advantages, returns = policy.gae(rewards, thought, mask, discount=1.0, trace=0.95)
        advantages = policy.whitened(advantages, mask)
        for _ in range(4):
            loss = policy.policy_losses(chosen(logits, states, tokens), old, advantages, clip=0.2).mean()
            loss = loss + policy.value_losses(values[states], thought, returns, clip=0.2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return (logits[0].softmax(0)[:, None] * logits[1:].softmax(1)).detach().flatten()


def chosen(logits: Any, states: Any, tokens: Any) -> Any:
    """Log-probabilities of the tokens."""
    return logits[states].log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
