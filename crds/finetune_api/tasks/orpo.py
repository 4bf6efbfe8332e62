"""Options of task ORPO."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class ORPOOptions(TaskOptions):
    """Options of task ORPO (odds ratio preference optimization, without a reference model)."""

    main_metric: ClassVar[str] = "rewards_accuracy"
    greater_is_better: ClassVar[bool] = True
