"""Options of task GRPO."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class GRPOOptions(TaskOptions):
    """Options of task GRPO (group relative policy optimization against a reward model or reward functions)."""

    main_metric: ClassVar[str] = "reward"
    greater_is_better: ClassVar[bool] = True
