"""Options of task SequenceClassification."""

from typing import Annotated, ClassVar

from pydantic import Field

from finetune_api.tasks.options import TaskOptions

LabelName = Annotated[str, Field(min_length=1, max_length=128)]


class SequenceClassificationOptions(TaskOptions):
    """Options of task SequenceClassification."""

    main_metric: ClassVar[str] = "accuracy"
    greater_is_better: ClassVar[bool] = True

    labels: list[LabelName] | None = Field(
        None,
        min_length=2,
        max_length=1000,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Label names in the order of the model's outputs. Default: the sorted labels of the training"
        " data. A row with any other label is refused.",
    )
