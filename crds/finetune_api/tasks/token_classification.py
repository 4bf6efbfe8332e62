"""Options of task TokenClassification."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class TokenClassificationOptions(TaskOptions):
    """Options of task TokenClassification (a label for each word: named entities)."""

    main_metric: ClassVar[str] = "f1"
    greater_is_better: ClassVar[bool] = True
