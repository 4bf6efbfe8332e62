"""Options of task PPO."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class PPOOptions(TaskOptions):
    """Options of task PPO (proximal policy optimization against a reward model or reward functions)."""

    main_metric: ClassVar[str] = "reward"
    greater_is_better: ClassVar[bool] = True
