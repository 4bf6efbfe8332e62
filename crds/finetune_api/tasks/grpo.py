"""Options of task GRPO."""

from enum import StrEnum

from pydantic import Field

from finetune_api.tasks.group_sampling import GroupSamplingOptions


class ScaleRewards(StrEnum):
    """By whose standard deviation rewards are divided."""

    GROUP = "Group"
    BATCH = "Batch"
    NONE = "None"


class GRPOLossType(StrEnum):
    """How the losses of tokens are added up."""

    GRPO = "GRPO"
    BNPO = "BNPO"
    DR_GRPO = "DrGRPO"
    DAPO = "DAPO"


class GRPOOptions(GroupSamplingOptions):
    """Options of task GRPO (group relative policy optimization against a reward model or reward functions)."""

    beta: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Weight of the Kullback-Leibler divergence from the base model in the loss; 0 needs no second"
        " model in memory.",
    )
    scale_rewards: ScaleRewards = Field(
        ScaleRewards.GROUP,
        description="Divide advantages by the standard deviation of the prompt's rewards (Group), of all rewards of"
        " the step (Batch), or not at all (None).",
    )
    loss_type: GRPOLossType = Field(
        GRPOLossType.DAPO,
        description="GRPO averages over each completion's tokens, BNPO over the batch's, DAPO over those of the whole"
        " step; DrGRPO divides by maxCompletionLength.",
    )
