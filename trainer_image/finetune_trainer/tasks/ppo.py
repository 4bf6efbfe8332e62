"""Task PPO: a language model learns from rewards by proximal policy optimization."""

from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.ppo import PPOOptions
from finetune_trainer.models.loading import Loaded
from finetune_trainer.tasks.recipe import TrainerParts
from finetune_trainer.tasks.rewarded.policy import PolicyRecipe, refuse_too_few


class PPO(PolicyRecipe):
    """Rows are {prompt} or {messages}, with the columns that reward functions compare with."""

    def __init__(self, request: RunRequest) -> None:
        self._options = request.ppo or PPOOptions()
        super().__init__(request, self._options.response_length)

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return the trainer; the value head is on the model until the training has ended. Raises BadSpec, BadData."""
        from transformers import TrainingArguments
        from trl.trainer.utils import disable_dropout_in_model

        from finetune_trainer.tasks.rewarded.ppo_rollouts import RolloutPrompts, Sampler
        from finetune_trainer.tasks.rewarded.ppo_trainer import PPOTrainer, collate
        from finetune_trainer.tasks.rewarded.rollout_callbacks import OrderByEpoch, SaveBetweenRollouts
        from finetune_trainer.tasks.rewarded.value_head import KeepValueHead, add_value_head

        options, model = self._options, parts.loaded.model
        batch_size = parts.arguments["per_device_train_batch_size"]
        accumulation = parts.arguments["gradient_accumulation_steps"]
        steps = options.num_ppo_epochs * options.num_mini_batches
        rows = batch_size * accumulation * options.num_mini_batches
        refuse_too_few(len(parts.rows), rows)
        model.to(parts.device.name)
        disable_dropout_in_model(model)
        reference = self.reference(model, parts.models, parts.device)
        rewards = self.rewards(parts.models, parts.device)
        add_value_head(model)
        model.value_head.to(parts.device.name)
        prompts = RolloutPrompts(parts.rows, rows, steps * accumulation, self.request.training.seed)
        return PPOTrainer(
            Sampler(Loaded(model, parts.loaded.tokenizer), reference, rewards, options, parts.device, batch_size),
            model=model,
            args=TrainingArguments(**_arguments(parts.arguments)),
            train_dataset=prompts,
            data_collator=collate,
            callbacks=[
                KeepValueHead(),
                *parts.callbacks,
                SaveBetweenRollouts(steps),
                OrderByEpoch(lambda epoch, _loader: prompts.begin(epoch)),
            ],
        )


def _arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for a dataset each of whose items is a batch, in its order."""
    return {
        **arguments,
        "per_device_train_batch_size": 1,
        "train_sampling_strategy": "sequential",
        "dataloader_num_workers": 0,
        "include_num_input_tokens_seen": "no",
    }
