"""Task RLOO: REINFORCE whose baseline is the mean reward of the prompt's other completions."""

from typing import Any

from finetune_api.tasks.rloo import RLOOOptions
from finetune_trainer.tasks.recipe import TrainerParts
from finetune_trainer.tasks.rewarded.group_sampling import GroupRecipe


class RLOO(GroupRecipe):
    """Rows are {prompt} or {messages}, with the columns that reward functions compare with."""

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's RLOOTrainer."""
        from trl import RLOOConfig, RLOOTrainer

        options = self.request.rloo or RLOOOptions()
        return self.trainer_of(
            RLOOTrainer, RLOOConfig, parts, beta=options.beta, normalize_advantages=options.normalize_advantages
        )
