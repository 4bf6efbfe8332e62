"""The value function of PPO: one more output of the policy, which is learnt with it and is not published.

It shares all layers with the policy, as in Ziegler et al. 2019, and starts at 0 (Huang et al. 2023, detail "value
head").
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState

from finetune_trainer.runtime.checkpoints import PREFIX
from finetune_trainer.tasks.rewarded.completions import Completed

FILE = "value_head.safetensors"


def add_value_head(model: Any) -> None:
    """Give the model a linear layer in float32 from the last hidden state to a value, `model.value_head`."""
    head = torch.nn.Linear(model.config.get_text_config().hidden_size, 1, dtype=torch.float32)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    model.value_head = head


def logits_and_values(model: Any, batch: Completed) -> tuple[Tensor, Tensor]:
    """Return the logits [rows, tokens, vocabulary] and the values [rows, tokens] of the responses' tokens, float32."""
    seen: list[Tensor] = []
    handle = model.get_output_embeddings().register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        logits = batch.logits(model)
    finally:
        handle.remove()
    hidden = batch.at_responses(seen[-1]).float()
    with torch.autocast(hidden.device.type, enabled=False):
        return logits, model.value_head(hidden).squeeze(-1)


class KeepValueHead(TrainerCallback):  # type: ignore[misc]
    """Keeps the value head in checkpoints, of which adapters are otherwise all, and out of the tuned model."""

    def on_train_begin(self, args: Any, state: TrainerState, _control: Any, model: Any = None, **_kwargs: Any) -> None:
        """Load the head of the checkpoint that the training goes on from."""
        if state.global_step:
            load_model(model.value_head, _checkpoint(args, state) / FILE)

    def on_save(self, args: Any, state: TrainerState, _control: Any, model: Any = None, **_kwargs: Any) -> None:
        """Save the head beside the model."""
        save_model(model.value_head, str(_checkpoint(args, state) / FILE))

    def on_train_end(
        self, _args: Any, _state: TrainerState, _control: TrainerControl, model: Any = None, **_kwargs: Any
    ) -> None:
        """Take the head off the tuned model."""
        del model.value_head


def _checkpoint(args: Any, state: TrainerState) -> Path:
    return Path(args.output_dir) / f"{PREFIX}{state.global_step}"
