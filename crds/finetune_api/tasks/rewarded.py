"""What all tasks have in common that learn from rewards."""

from pydantic import Field

from finetune_api.model import ModelSpec
from finetune_api.rewards import RewardFunction
from finetune_api.schema import Rule
from finetune_api.tasks.options import TaskOptions

REWARD_MODEL = "reward-model"
"""The name of the reward model among `TrainingInputs.models`."""


class RewardedOptions(TaskOptions):
    """Options of every task that learns from rewards."""

    rules = (
        Rule(
            "has(self.rewardModel) || has(self.rewardFunctions)",
            "set rewardModel, rewardFunctions or both: without a reward there is nothing to learn from",
        ),
    )

    reward_model: ModelSpec | None = Field(
        None,
        description="Model with one output that scores completions, such as the result of task Reward; job://name takes"
        " that of another FineTuneJob. Its score has weight 1.",
    )
    reward_functions: list[RewardFunction] | None = Field(
        None,
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        description="Functions that score completions. All scores are added up.",
    )

    def other_models(self) -> dict[str, tuple[str, ModelSpec]]:
        """Return the reward model, if there is one."""
        return {REWARD_MODEL: ("rewardModel", self.reward_model)} if self.reward_model else {}
