"""The figures of PPO, against numbers worked out by hand and by a plain loop."""

import random
from math import log

import pytest
import torch

from finetune_trainer.tasks.rewarded import ppo_math

BOTH = torch.tensor([[True, True, True], [True, True, False]])


def expect(actual: torch.Tensor, wanted: list[list[float]]) -> None:
    assert actual.tolist() == [pytest.approx(row, abs=1e-6) for row in wanted]


def test_advantages_of_a_row_worked_out_by_hand():
    # From the end: delta = r + 0.9 * V' - V is 0.7, -0.33, -0.04 and A = delta + 0.72 * A' is 0.7, 0.174, 0.08528.
    # The shorter row: deltas 1.5 and -0.55, so 1.5 and -0.55 + 0.72 * 1.5. What stands behind its end does not count.
    rewards = torch.tensor([[0.1, -0.2, 1.0], [0.0, 2.0, 99.0]])
    values = torch.tensor([[0.5, 0.4, 0.3], [1.0, 0.5, -99.0]])
    advantages, returns = ppo_math.generalized_advantages(rewards, values, BOTH, gamma=0.9, lam=0.8)
    expect(advantages, [[0.08528, 0.174, 0.7], [0.53, 1.5, 0.0]])
    expect(returns, [[0.58528, 0.574, 1.0], [1.53, 2.0, 0.0]])


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 1.0), (0.7, 0.0)])
def test_advantages_are_the_discounted_sums_of_later_errors(gamma: float, lam: float):
    chance = random.Random(7)
    length = 6
    rewards, values = ([chance.uniform(-1, 1) for _ in range(length)] for _ in range(2))
    errors = [rewards[t] + gamma * (values[t + 1] if t + 1 < length else 0.0) - values[t] for t in range(length)]
    wanted = [sum((gamma * lam) ** (k - t) * errors[k] for k in range(t, length)) for t in range(length)]
    everywhere = torch.ones(1, length, dtype=torch.bool)
    advantages, returns = ppo_math.generalized_advantages(
        torch.tensor([rewards]), torch.tensor([values]), everywhere, gamma, lam
    )
    expect(advantages, [wanted])
    expect(returns, [[advantage + value for advantage, value in zip(wanted, values, strict=True)]])


def test_policy_losses_take_the_worse_of_the_ratio_and_the_clipped_ratio():
    # Ratios 1.5, 1.5, 0.5, 0.5, 1.1 with advantages 2, -2, 2, -2, 2: -min(3, 2.4), -min(-3, -2.4), -min(1, 1.6), …
    logps = torch.tensor([[log(1.5), log(1.5), log(0.5), log(0.5), log(1.1)]]) - 3.0
    advantages = torch.tensor([[2.0, -2.0, 2.0, -2.0, 2.0]])
    losses = ppo_math.policy_losses(logps, torch.full((1, 5), -3.0), advantages, clip_range=0.2)
    expect(losses, [[-2.4, 3.0, -1.0, 1.6, -2.2]])


def test_value_losses_take_the_worse_of_the_value_and_the_clipped_value():
    # Old value 0.5, so clipped to 0.7 at most: errors (1 - 2)² and (0.7 - 2)²; 1² and 0.7²; within the range the same.
    values, returns = torch.tensor([[1.0, 1.0, 0.6]]), torch.tensor([[2.0, 0.0, 1.0]])
    losses = ppo_math.value_losses(values, torch.full((1, 3), 0.5), returns, clip_range=0.2)
    expect(losses, [[0.845, 0.5, 0.08]])


def test_token_rewards_are_the_divergence_and_at_the_end_the_score():
    logps = torch.tensor([[-1.0, -2.0, -0.5], [-3.0, -1.0, -9.0]])
    reference = torch.tensor([[-1.5, -1.0, -0.5], [-3.0, -2.0, -1.0]])
    rewards = ppo_math.token_rewards(torch.tensor([2.0, -1.0]), logps, reference, BOTH, kl_coef=0.1)
    expect(rewards, [[-0.05, 0.1, 2.0], [0.0, -1.1, 0.0]])


def test_whitening_is_over_the_tokens_that_there_are():
    values = torch.tensor([[1.0, 3.0, 1.0], [3.0, 2.0, 100.0]])
    mask = BOTH
    # Mean 2 and variance 4 / 5.
    unit = (4 / 5) ** 0.5
    expect(ppo_math.whiten(values, mask), [[-1 / unit, 1 / unit, -1 / unit], [1 / unit, 0.0, 0.0]])
    kept = ppo_math.whiten(values, mask, shift_mean=False)
    expect(kept, [[2 - 1 / unit, 2 + 1 / unit, 2 - 1 / unit], [2 + 1 / unit, 2.0, 0.0]])


def test_log_probabilities_are_those_at_the_temperature():
    logits, targets = torch.tensor([[[0.0, log(3)], [0.0, log(3)]]]), torch.tensor([[1, 0]])
    expect(ppo_math.log_probabilities(logits, targets, 1.0), [[log(3 / 4), log(1 / 4)]])
    expect(ppo_math.log_probabilities(logits, targets, 0.5), [[log(9 / 10), log(1 / 10)]])
