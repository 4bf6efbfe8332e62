"""Options of task DPO."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class DPOOptions(TaskOptions):
    """Options of task DPO (direct preference optimization)."""

    main_metric: ClassVar[str] = "rewards_accuracy"
    greater_is_better: ClassVar[bool] = True
