"""`spec.task` and the options of each task: an enum plus the member of the same name."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.schema import ApiModel


class Task(StrEnum):
    """What the model learns to do."""

    SEQUENCE_CLASSIFICATION = "SequenceClassification"
    SFT = "SFT"


LabelName = Annotated[str, Field(min_length=1, max_length=128)]


class SequenceClassificationOptions(ApiModel):
    """Options of task SequenceClassification."""

    labels: list[LabelName] | None = Field(
        None,
        min_length=2,
        max_length=1000,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Label names in the order of the model's outputs. Default: the sorted labels of the training"
        " data. A row with any other label is refused.",
    )


class SFTOptions(ApiModel):
    """Options of task SFT (supervised fine-tuning of a causal language model)."""

    completion_only_loss: bool = Field(
        True,
        description="For prompt/completion data: compute the loss on the completion only. Chat messages are always"
        " learnt whole.",
    )
