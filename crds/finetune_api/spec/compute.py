"""`spec.compute`: where the training runs and what it may use."""

from typing import Annotated

from pydantic import Field

from finetune_api.parts.pod import PodOptions
from finetune_api.schema import Quantity, Rule, at_least

RESOURCE_NAME = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$"
ImageName = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")]


def limit_covers(resource: str, field: str) -> Rule:
    """Return the rule that a limit is no less than what the field requests of the resource."""
    limit = f"string(self.limits['{resource}'])"
    is_told = f"has(self.limits) && '{resource}' in self.limits && has(self.{field}) && isQuantity({limit})"
    enough = f"quantity({limit}).compareTo(quantity(string(self.{field}))) >= 0"
    return Rule(
        f"!({is_told} && isQuantity(string(self.{field}))) || {enough}",
        f"must not have less {resource} than {field} requests",
        field_path=".limits",
    )


class PodPlacement(PodOptions):
    """What the pods ask of a node; shared by training and serving."""

    rules = (
        at_least("cpu", "1m", "must be an amount of CPUs, such as 2 or 500m"),
        at_least("memory", "64Mi", "must be an amount of memory of at least 64Mi, with its unit, such as 8Gi"),
        *PodOptions.rules,
        limit_covers("cpu", "cpu"),
        limit_covers("memory", "memory"),
        limit_covers("ephemeral-storage", "ephemeralStorage"),
        Rule(
            "!has(self.limits) || !(self.gpuResourceName in self.limits)",
            "must not have the GPU's resource: gpus is its request and its limit",
            field_path=".limits",
        ),
        Rule(
            "!has(self.sharedMemory) || !isQuantity(string(self.sharedMemory)) || !isQuantity(string(self.memory)) ||"
            " quantity(string(self.sharedMemory)).compareTo(quantity(string(self.memory))) <= 0",
            "must not be above memory, of which it is a part",
            field_path=".sharedMemory",
        ),
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
    memory: Quantity = Field("4Gi", description="Memory request, such as 8Gi; also the limit, unless limits says more.")
    image: ImageName | None = Field(
        None, description="Image to run instead of the trainer image that the operator was installed with."
    )


class ComputeSpec(PodPlacement):
    """Resources of the training pod."""
