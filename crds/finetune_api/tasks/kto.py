"""Options of task KTO."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class KTOOptions(TaskOptions):
    """Options of task KTO (Kahneman-Tversky optimization: answers that are each marked good or bad)."""

    main_metric: ClassVar[str] = "rewards_accuracy"
    greater_is_better: ClassVar[bool] = True
