"""What GRPO and RLOO have in common: several completions of each prompt, compared with each other."""

from typing import ClassVar

from pydantic import Field

from finetune_api.schema import Rule
from finetune_api.tasks.rewarded import RewardedOptions


class GroupSamplingOptions(RewardedOptions):
    """Options of a task that compares the completions of a prompt. Names and defaults are TRL's."""

    main_metric: ClassVar[str] = "reward"
    completion_length_field: ClassVar[str] = "maxCompletionLength"
    # TRL's GRPOConfig and RLOOConfig.
    learning_rate: ClassVar[float] = 1e-6
    adapter_learning_rate: ClassVar[float] = 1e-5
    epochs: ClassVar[float] = 1.0

    num_generations: int = Field(
        8,
        ge=2,
        le=256,
        description="Completions of each prompt, which are compared with each other. Rows of spec.training.batchSize"
        " are completions; batchSize x gradientAccumulationSteps must be a multiple of this.",
    )
    max_completion_length: int = Field(
        256, ge=1, le=1_048_576, description="Longest completion, in tokens; must be below spec.training.maxLength."
    )
    temperature: float = Field(1.0, gt=0, le=10, description="Temperature at which completions are sampled.")
    top_p: float = Field(
        1.0, gt=0, le=1, description="Sample from the likeliest tokens that together have this probability."
    )
    num_iterations: int = Field(
        1, ge=1, le=64, description="Optimizer steps for each batch of completions, before new ones are sampled."
    )
    epsilon: float = Field(
        0.2, gt=0, lt=1, description="The probability ratio of new to old model is clipped to 1 ± epsilon."
    )

    @classmethod
    def spec_rules(cls, task: str, block: str) -> tuple[Rule, ...]:
        """Return also the rule that a step learns from whole groups."""
        group, completions = (
            f"self.{block}.numGenerations",
            "self.training.batchSize * self.training.gradientAccumulationSteps",
        )
        whole = Rule(
            f"!has(self.{block}) || ({completions}) % {group} == 0",
            "must divide spec.training.batchSize x gradientAccumulationSteps: a step learns from all completions of a"
            " prompt",
            field_path=f".{block}.numGenerations",
        )
        return (*super().spec_rules(task, block), whole)
