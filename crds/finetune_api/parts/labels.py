"""Labels and annotations: their keys, values, and selectors over them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.schema import ApiModel, Rule

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$")]
AnnotationValue = Annotated[str, Field(max_length=4096)]
Labels = dict[LabelKey, LabelValue]


class LabelSelectorOperator(StrEnum):
    """How a label selector compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelectorRequirement(ApiModel):
    """One comparison of a label."""

    rules = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == has(self.values)",
            "is what operators In and NotIn need, and others do not take",
            field_path=".values",
        ),
    )

    key: LabelKey = Field(description="Label key.")
    operator: LabelSelectorOperator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: list[LabelValue] | None = Field(None, min_length=1, max_length=32, description="Values for In and NotIn.")


class LabelSelector(ApiModel):
    """A label selector, as in meta/v1: all of it must match."""

    match_labels: Labels | None = Field(None, max_length=16, description="Labels with their values.")
    match_expressions: list[LabelSelectorRequirement] | None = Field(None, max_length=16, description="Comparisons.")
