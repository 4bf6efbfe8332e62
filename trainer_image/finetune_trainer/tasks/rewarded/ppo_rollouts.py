"""Rollouts of PPO: completions of a batch of prompts, with all that is learnt from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from finetune_api.tasks.ppo import PPOOptions
from finetune_trainer.models.loading import Loaded
from finetune_trainer.runtime.device import Device
from finetune_trainer.tasks.recipe import Row
from finetune_trainer.tasks.rewarded import ppo_math
from finetune_trainer.tasks.rewarded.completions import Completed, Ids, Sampling, complete_all, end_tokens
from finetune_trainer.tasks.rewarded.reference import Reference
from finetune_trainer.tasks.rewarded.rewards import Rewards
from finetune_trainer.tasks.rewarded.value_head import logits_and_values


@dataclass(frozen=True)
class Rollout:
    """Prompts and responses in token ids; all tensors are [rows, longest response], on the CPU.

    `figures` are means over the rollout.
    """

    prompts: list[Ids]
    responses: list[Ids]
    mask: Tensor
    logps: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    figures: dict[str, float]

    @property
    def tokens(self) -> int:
        """How many tokens prompts and responses have."""
        return sum(map(len, self.prompts)) + sum(map(len, self.responses))


@dataclass(frozen=True)
class Opinion:
    """What policy, value function and base model think of responses: each [rows, longest response], on the CPU."""

    mask: Tensor
    logps: Tensor
    values: Tensor
    reference_logps: Tensor


class RolloutPrompts(Dataset[list[Row]]):
    """The prompts of one rollout after the other: for each forward pass of the training those to sample anew for.

    A rollout serves several forward passes; only the first of these gets its prompts, the others none. The order of
    the prompts is that of `epoch`.
    """

    def __init__(self, rows: Any, size: int, passes: int, seed: int) -> None:
        self._rows = rows
        self._size = size
        self._passes = passes
        self._seed = seed
        self._order: list[int] = []
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Shuffle the prompts for an epoch."""
        generator = torch.Generator().manual_seed(self._seed + epoch)
        self._order = torch.randperm(len(self._rows), generator=generator).tolist()

    def __len__(self) -> int:
        return len(self._rows) // self._size * self._passes

    def __getitem__(self, index: int) -> list[Row]:
        rollout, use = divmod(index, self._passes)
        if use:
            return []
        return [self._rows[row] for row in self._order[rollout * self._size : (rollout + 1) * self._size]]


@dataclass(frozen=True)
class Sampler:
    """Makes rollouts with the policy `loaded`, `batch_size` rows in each forward pass."""

    loaded: Loaded
    reference: Reference
    rewards: Rewards
    options: PPOOptions
    device: Device
    batch_size: int

    def rollout(self, rows: list[Row]) -> Rollout:
        """Complete the rows' prompts, score the responses, and reckon advantages and returns."""
        options = self.options
        prompts = [row["prompt_ids"] for row in rows]
        with torch.no_grad(), self.device.autocast():
            responses = [answer for batch in self._batches(prompts) for answer in self._respond(batch)]
            opinion = self._opinion(prompts, responses)
        scores, figures = self._scores(rows, responses)
        mask, logps, values = opinion.mask, opinion.logps, opinion.values
        rewards = ppo_math.token_rewards(scores, logps, opinion.reference_logps, mask, options.kl_coef)
        if options.whiten_rewards:
            rewards = ppo_math.whiten(rewards, mask, shift_mean=False)
        advantages, returns = ppo_math.generalized_advantages(rewards, values, mask, options.gamma, options.lam)
        figures["kl"] = float(ppo_math.masked_mean(logps - opinion.reference_logps, mask))
        advantages = ppo_math.whiten(advantages, mask)
        return Rollout(prompts, responses, mask, logps, values, advantages, returns, figures)

    def _batches(self, rows: list[Ids]) -> Iterator[list[Ids]]:
        return (rows[start : start + self.batch_size] for start in range(0, len(rows), self.batch_size))

    def _respond(self, prompts: list[Ids]) -> list[Ids]:
        sampling = Sampling(self.options.response_length, self.options.temperature)
        return complete_all(self.loaded.model, self.loaded.tokenizer, prompts, sampling)

    def _opinion(self, prompts: list[Ids], responses: list[Ids]) -> Opinion:
        parts: list[tuple[Tensor, ...]] = []
        for batch, answers in zip(self._batches(prompts), self._batches(responses), strict=True):
            completed = Completed.of(batch, answers, self.loaded.tokenizer.pad_token_id, self.device.name)
            logits, values = logits_and_values(self.loaded.model, completed)
            logps = ppo_math.log_probabilities(logits, completed.targets, self.options.temperature)
            with self.reference.active() as base:
                logits = completed.logits(base)
            reference = ppo_math.log_probabilities(logits, completed.targets, self.options.temperature)
            parts.append((completed.mask, logps, values, reference))
        width = max(map(len, responses))
        columns = zip(*parts, strict=True)
        return Opinion(*(torch.cat([pad(part.cpu(), (0, width - part.shape[1])) for part in c]) for c in columns))

    def _scores(self, rows: list[Row], responses: list[Ids]) -> tuple[Tensor, dict[str, float]]:
        """Return the responses' scores [rows], less the penalty for those without an end; and means."""
        tokenizer = self.loaded.tokenizer
        texts = [tokenizer.decode(response, skip_special_tokens=True) for response in responses]
        scores = self.rewards.score([row["prompt"] for row in rows], texts, [row.get("answers") or {} for row in rows])
        ends = end_tokens(self.loaded.model, tokenizer)
        endless = torch.tensor([response[-1] not in ends for response in responses])
        figures = {**scores.means(), "completion_length": sum(map(len, responses)) / len(responses)}
        return torch.tensor(scores.total) - self.options.missing_eos_penalty * endless, figures
