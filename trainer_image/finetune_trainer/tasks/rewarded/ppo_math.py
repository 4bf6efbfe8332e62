"""The mathematics of PPO, over tensors alone. Everywhere [rows, tokens] are the tokens of responses.

`mask` (bool) tells which tokens there are; each row's stand at its beginning. What stands elsewhere is ignored on the
way in and 0 on the way out.

Sources: Schulman et al., Proximal Policy Optimization Algorithms (2017, arXiv:1707.06347); Schulman et al.,
High-Dimensional Continuous Control Using Generalized Advantage Estimation (2015, arXiv:1506.02438); Ziegler et al.,
Fine-Tuning Language Models from Human Preferences (2019, arXiv:1909.08593) with its code; Huang et al., The N
Implementation Details of RLHF with PPO (2023).
"""

import torch
from torch import Tensor

VARIANCE_FLOOR = 1e-8


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of [rows, tokens] over the tokens that there are, a scalar."""
    return (values * mask).sum() / mask.sum()


def whiten(values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Return [rows, tokens] scaled to variance 1 (that of the population), and to mean 0 or to the mean they had.

    Ziegler et al.'s code (`whiten` in lm_human_preferences/utils/core.py); Huang et al., detail "reward whitening".
    """
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask)
    whitened = (values - mean) * torch.rsqrt(variance + VARIANCE_FLOOR)
    return (whitened if shift_mean else whitened + mean) * mask


def log_probabilities(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the log-probabilities [rows, tokens] of the target tokens, as they are sampled at the temperature.

    `logits` are [rows, tokens, vocabulary]. Huang et al., detail "scale the logits by the sampling temperature".
    """
    scaled = (logits / temperature).log_softmax(-1)
    return scaled.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def token_rewards(scores: Tensor, logps: Tensor, reference_logps: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    """Return each token's reward [rows, tokens]: minus the divergence, and at the last token plus the row's score.

    R = r(x, y) - beta * log(pi(y|x) / rho(y|x)), token by token: Ziegler et al., equation 2. `scores` are [rows].
    """
    rewards = -kl_coef * (logps - reference_logps) * mask
    last = mask.sum(1) - 1
    return rewards.index_put((torch.arange(len(scores), device=scores.device), last), scores, accumulate=True)


def generalized_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Return advantages and returns, each [rows, tokens].

    delta_t = r_t + gamma * V_{t+1} - V_t and A_t = delta_t + gamma * lam * A_{t+1}, with V and A 0 after the last
    token: Schulman et al. 2015, equations 11 to 16. The return is what the value function learns, A_t + V_t.
    """
    rewards, values = rewards * mask, values * mask
    advantages = torch.zeros_like(values)
    later, next_value = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    for token in reversed(range(values.shape[1])):
        delta = rewards[:, token] + gamma * next_value - values[:, token]
        later = delta + gamma * lam * later
        advantages[:, token] = later
        next_value = values[:, token]
    return advantages * mask, (advantages + values) * mask


def policy_losses(logps: Tensor, old_logps: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """Return each token's policy loss [rows, tokens].

    -min(ratio * A, clip(ratio, 1 - epsilon, 1 + epsilon) * A): Schulman et al. 2017, equation 7.
    """
    ratio = torch.exp(logps - old_logps)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.min(ratio * advantages, clipped * advantages)


def value_losses(values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float) -> Tensor:
    """Return each token's value loss [rows, tokens]: half the larger squared error of the new and the clipped value.

    Ziegler et al.'s code (`loss` in lm_human_preferences/train_policy.py); Huang et al., detail "value function loss
    clipping".
    """
    clipped = torch.clamp(values, old_values - clip_range, old_values + clip_range)
    return 0.5 * torch.max((values - returns) ** 2, (clipped - returns) ** 2)
