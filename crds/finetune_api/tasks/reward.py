"""Options of task Reward."""

from typing import ClassVar

from pydantic import Field

from finetune_api.tasks.options import TaskOptions


class RewardOptions(TaskOptions):
    """Options of task Reward (a scalar head learns to score the chosen of two answers above the rejected one)."""

    main_metric: ClassVar[str] = "accuracy"
    # TRL's page on reward modeling, with and without adapters.
    learning_rate: ClassVar[float] = 1e-5
    adapter_learning_rate: ClassVar[float] = 1e-4
    epochs: ClassVar[float] = 1.0

    center_rewards_coefficient: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Weight of a term that keeps the rewards' mean at 0, such as 0.01. Default: no such term.",
    )
