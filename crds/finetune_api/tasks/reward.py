"""Options of task Reward."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class RewardOptions(TaskOptions):
    """Options of task Reward (a scalar head learns to score the chosen of two answers above the rejected one)."""

    main_metric: ClassVar[str] = "accuracy"
    greater_is_better: ClassVar[bool] = True
