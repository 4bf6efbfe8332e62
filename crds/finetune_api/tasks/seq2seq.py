"""Options of task Seq2Seq."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class Seq2SeqOptions(TaskOptions):
    """Options of task Seq2Seq (an encoder-decoder learns to write one text from another)."""

    main_metric: ClassVar[str] = "rougeL"
    greater_is_better: ClassVar[bool] = True
