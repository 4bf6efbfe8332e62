"""Options of task RLOO."""

from pydantic import Field

from finetune_api.tasks.group_sampling import GroupSamplingOptions


class RLOOOptions(GroupSamplingOptions):
    """Options of task RLOO (REINFORCE leave-one-out against a reward model or reward functions)."""

    num_generations: int = Field(
        2,
        ge=2,
        le=256,
        description="Completions of each prompt, which are compared with each other. Rows of spec.training.batchSize"
        " are completions; batchSize x gradientAccumulationSteps must be a multiple of this.",
    )
    beta: float = Field(
        0.05,
        ge=0,
        le=100,
        description="Weight of the Kullback-Leibler divergence from the base model, taken off the reward; 0 needs no"
        " second model in memory.",
    )
    normalize_advantages: bool = Field(
        False, description="Scale the advantages of a step to mean 0 and standard deviation 1."
    )
