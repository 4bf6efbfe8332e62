"""`spec.evaluation`: how the tuned model is judged."""

from typing import Annotated

from pydantic import Field

from finetune_api.parts.metrics import MetricSpec
from finetune_api.schema import ApiModel

Prompt = Annotated[str, Field(min_length=1, max_length=4096)]


class EvaluationSpec(ApiModel):
    """What is measured on the held-out rows, and shown."""

    baseline: bool = Field(True, description="Measure the untouched base model on the same rows, side by side.")
    batch_size: int = Field(16, ge=1, le=4096, description="Rows per forward pass.")
    sample_prompts: list[Prompt] | None = Field(
        None,
        max_length=8,
        description="Prompts that tuned and base model complete side by side, where the task's models write text."
        " Default: 3 held-out prompts.",
    )
    max_new_tokens: int = Field(64, ge=1, le=4096, description="Longest sample completion, in tokens.")
    metrics: list[MetricSpec] | None = Field(
        None,
        min_length=1,
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        description="Metrics of your own, in the format of the library evaluate, where the operator's settings allow"
        " code of a job's own; beside the task's own figures.",
    )
