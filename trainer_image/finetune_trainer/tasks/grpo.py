"""Task GRPO: a language model learns from rewards by comparing completions of the same prompt."""

from typing import Any

from finetune_api.tasks.grpo import GRPOLossType, GRPOOptions
from finetune_trainer.tasks.recipe import TrainerParts
from finetune_trainer.tasks.rewarded.group_sampling import GroupRecipe

LOSS_TYPES = {
    GRPOLossType.GRPO: "grpo",
    GRPOLossType.BNPO: "bnpo",
    GRPOLossType.DR_GRPO: "dr_grpo",
    GRPOLossType.DAPO: "dapo",
}


class GRPO(GroupRecipe):
    """Rows are {prompt} or {messages}, with the columns that reward functions compare with."""

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's GRPOTrainer."""
        from trl import GRPOConfig, GRPOTrainer

        options = self.request.grpo or GRPOOptions()
        return self.trainer_of(
            GRPOTrainer,
            GRPOConfig,
            parts,
            beta=options.beta,
            loss_type=LOSS_TYPES[options.loss_type],
            scale_rewards=options.scale_rewards.lower(),
        )
