"""What all tasks have in common that learn from rewards."""

from typing import ClassVar

from pydantic import Field

from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_api.parts.rewards import RewardFunction
from finetune_api.schema import Rule
from finetune_api.spec.model import ModelSpec
from finetune_api.tasks.options import TaskOptions

REWARD_MODEL = "reward-model"
"""The name of the reward model among `TrainingInputs.models`."""


class RewardedOptions(TaskOptions):
    """Options of every task that learns from rewards. `completion_length_field` bounds the length of a completion."""

    writes_text: ClassVar[bool] = True

    completion_length_field: ClassVar[str]
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

    @classmethod
    def spec_rules(cls, task: str, block: str) -> tuple[Rule, ...]:
        """Return the rules that there is a reward, and room for completions."""
        length = f"self.{block}.{cls.completion_length_field}"
        return (
            Rule(
                f"self.task != '{task}' || has(self.{block})",
                f"task {task} needs a reward: set spec.{block}.rewardModel or spec.{block}.rewardFunctions",
            ),
            Rule(
                f"!has(self.{block}) || {length} < self.training.maxLength",
                "must be below spec.training.maxLength, which counts the tokens of prompt and completion",
                field_path=f".{block}.{cls.completion_length_field}",
            ),
        )

    def other_models(self) -> dict[str, tuple[str, ModelSpec]]:
        """Return the reward model, if there is one."""
        return {REWARD_MODEL: ("rewardModel", self.reward_model)} if self.reward_model else {}

    def code(self) -> dict[str, tuple[str, ConfigMapKeyRef]]:
        """Return the files of reward functions of type Python."""
        return {
            function.code_name: (
                f"rewardFunctions[{function.name}].python.configMapKeyRef",
                function.python.config_map_key_ref,
            )
            for function in self.reward_functions or ()
            if function.python
        }
