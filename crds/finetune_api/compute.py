"""`spec.compute`: where the training runs and what it may use."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.schema import ApiModel, LabelValue, ObjectName, Quantity, Rule, at_least

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
RESOURCE_NAME = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$"
ImageName = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")]


class TolerationOperator(StrEnum):
    """How a toleration matches."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """Which taints a toleration matches."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiModel):
    """A pod toleration, as in core/v1."""

    rules = (
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')", "without a key needs operator: Exists"
        ),
        Rule(
            "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
            "is only for operator Equal",
            field_path=".value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "is only for effect: NoExecute",
            field_path=".tolerationSeconds",
        ),
    )

    key: str | None = Field(None, max_length=317, description="Taint key; unset with Exists matches every key.")
    operator: TolerationOperator | None = Field(None, description="Equal (the default) or Exists.")
    value: str | None = Field(None, max_length=63, description="Taint value, for Equal.")
    effect: TaintEffect | None = Field(None, description="Taint effect; unset matches all.")
    toleration_seconds: int | None = Field(None, ge=0, description="Seconds to stay on a NoExecute taint.")


class PodPlacement(ApiModel):
    """What the pods ask of a node; shared by training and serving."""

    rules = (
        at_least("cpu", "1m", "must be an amount of CPUs, such as 2 or 500m"),
        at_least("memory", "64Mi", "must be an amount of memory of at least 64Mi, with its unit, such as 8Gi"),
    )

    gpus: int = Field(0, ge=0, le=1, description="GPUs per pod: none, or one.")
    gpu_resource_name: str = Field(
        "nvidia.com/gpu",
        min_length=1,
        max_length=253,
        pattern=RESOURCE_NAME,
        description="Extended resource that a GPU is counted as.",
    )
    cpu: Quantity = Field("1", description="CPU request, such as 2 or 500m.")
    memory: Quantity = Field("4Gi", description="Memory request and limit, such as 8Gi.")
    node_selector: dict[LabelKey, LabelValue] | None = Field(
        None, max_length=32, description="Labels that a node must have."
    )
    tolerations: list[Toleration] | None = Field(None, max_length=32, description="Taints that are tolerated.")
    priority_class_name: ObjectName | None = Field(None, description="PriorityClass of the pods.")
    runtime_class_name: ObjectName | None = Field(None, description="RuntimeClass of the pods, such as nvidia.")
    image: ImageName | None = Field(
        None, description="Image to run instead of the trainer image that the operator was installed with."
    )


class ComputeSpec(PodPlacement):
    """Resources of the training pod."""
