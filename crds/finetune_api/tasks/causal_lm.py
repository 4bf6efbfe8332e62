"""Options of task CausalLM."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from finetune_api.tasks.options import TaskOptions


class Overflow(StrEnum):
    """What becomes of the part of a text that lies beyond the longest input."""

    SPLIT = "Split"
    TRUNCATE = "Truncate"


class CausalLMOptions(TaskOptions):
    """Options of task CausalLM (a causal language model goes on learning from plain or templated text)."""

    main_metric: ClassVar[str] = "loss"
    writes_text: ClassVar[bool] = True
    may_pack: ClassVar[bool] = True
    # transformers' TrainingArguments and, for adapters, QLoRA (Dettmers et al. 2023, table 9).
    learning_rate: ClassVar[float] = 5e-5
    adapter_learning_rate: ClassVar[float] = 2e-4
    epochs: ClassVar[float] = 3.0

    overflow: Overflow = Field(
        Overflow.SPLIT,
        description="Texts of more than training.maxLength tokens: Split learns them in several pieces, every token"
        " once; Truncate learns their first piece only.",
    )
