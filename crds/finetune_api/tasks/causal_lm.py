"""Options of task CausalLM."""

from typing import ClassVar

from finetune_api.tasks.options import TaskOptions


class CausalLMOptions(TaskOptions):
    """Options of task CausalLM (a causal language model goes on learning from plain or templated text)."""

    main_metric: ClassVar[str] = "loss"
    greater_is_better: ClassVar[bool] = False
