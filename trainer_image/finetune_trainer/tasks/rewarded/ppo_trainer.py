"""transformers' Trainer, whose batches are parts of rollouts and whose loss is PPO's."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer

from finetune_trainer.tasks.rewarded import ppo_math
from finetune_trainer.tasks.rewarded.completions import Completed
from finetune_trainer.tasks.rewarded.ppo_rollouts import Rollout, Sampler
from finetune_trainer.tasks.rewarded.value_head import logits_and_values


@dataclass(frozen=True)
class Part:
    """Rows of the rollout for one forward pass, of an optimizer step that learns from `step_tokens` tokens in all."""

    rows: list[int]
    step_tokens: int


class PPOTrainer(Trainer):  # type: ignore[misc]
    """Samples a rollout when the last one is used up, and learns from it in mini-batches, several times over."""

    loss_is_scaled_for_ga = True

    def __init__(self, sampler: Sampler, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._sampler = sampler
        self._rollout: Rollout | None = None
        self._parts: deque[Part] = deque()
        self._figures: dict[str, list[float]] = {}

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Learn from the next part of the rollout; `inputs` are the prompts to sample a new one for, or none."""
        if not self._parts:
            model.eval()
            self._rollout = self._sampler.rollout(inputs["prompts"])
            self._parts.extend(self._schedule(self._rollout))
            self.state.num_input_tokens_seen += self._rollout.tokens
            self._note(self._rollout.figures)
        part = self._parts.popleft()
        rows = {"rows": torch.tensor(part.rows), "step_tokens": torch.tensor(part.step_tokens)}
        loss: Tensor = super().training_step(model, rows, num_items_in_batch)
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss of the rollout's `rows`, as a share of their optimizer step's mean over tokens."""
        del return_outputs, num_items_in_batch
        assert self._rollout is not None
        options, rollout, rows = self._sampler.options, self._rollout, inputs["rows"].tolist()
        batch = Completed.of(
            [rollout.prompts[row] for row in rows],
            [rollout.responses[row] for row in rows],
            self._sampler.loaded.tokenizer.pad_token_id,
            self._sampler.device.name,
        )
        logits, values = logits_and_values(model, batch)
        logps = ppo_math.log_probabilities(logits, batch.targets, options.temperature)
        old = [rollout.logps, rollout.advantages, rollout.values, rollout.returns]
        old_logps, advantages, old_values, returns = (
            tensor[rows, : batch.mask.shape[1]].to(logps.device) for tensor in old
        )
        policy = ppo_math.policy_losses(logps, old_logps, advantages, options.clip_range)
        value = ppo_math.value_losses(values, old_values, returns, options.clip_range_value)
        policy_loss, value_loss = ((losses * batch.mask).sum() / inputs["step_tokens"] for losses in (policy, value))
        return policy_loss + options.vf_coef * value_loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Report the rollouts' means beside the loss."""
        means = {name: sum(values) / len(values) for name, values in self._figures.items()}
        self._figures.clear()
        super().log({**logs, **means}, start_time)

    def _schedule(self, rollout: Rollout) -> list[Part]:
        """Return the parts of all passes over a rollout; each pass has mini-batches of its own."""
        options, size = self._sampler.options, self._sampler.batch_size
        rows = len(rollout.prompts)
        step_rows = rows // options.num_mini_batches
        parts = []
        for _ in range(options.num_ppo_epochs):
            for step in torch.split(torch.randperm(rows), step_rows):
                tokens = int(rollout.mask[step].sum())
                parts += [Part(chosen.tolist(), tokens) for chosen in torch.split(step, size)]
        return parts

    def _note(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self._figures.setdefault(name, []).append(value)


def collate(items: list[list[Any]]) -> dict[str, list[Any]]:
    """Return the one item of a batch of RolloutPrompts."""
    return {"prompts": items[0]}
