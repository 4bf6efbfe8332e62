"""Options of task RLOO."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class RLOOOptions(TaskOptions):
    """Options of task RLOO (REINFORCE leave-one-out against a reward model or reward functions)."""

    main_metric: ClassVar[str] = "reward"
    greater_is_better: ClassVar[bool] = True
