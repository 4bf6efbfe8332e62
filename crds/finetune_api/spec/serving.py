"""`spec.serving`: the inference Deployment."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.spec.compute import ImageName, PodPlacement


class ServingStrategy(StrEnum):
    """How serving pods are replaced."""

    ROLLING_UPDATE = "RollingUpdate"
    RECREATE = "Recreate"


class ServingSpec(PodPlacement):
    """Serve the published model; editing this never trains again."""

    enabled: bool = Field(False, description="Create a Deployment and a Service for the published model.")
    pinned_run: Annotated[str, Field(max_length=63, pattern=r"^[0-9a-f]+$")] | None = Field(
        None,
        description="Serve this run's model, one of status.history, instead of the newest; later runs are published and"
        " not served until this is removed.",
    )
    replicas: int = Field(1, ge=0, le=1000, description="Serving pods. `kubectl scale` changes this field.")
    strategy: ServingStrategy = Field(
        ServingStrategy.ROLLING_UPDATE,
        description="RollingUpdate: pods are stopped only when their successors, or those of the new model, are ready,"
        " which takes room for one more. Recreate: they are stopped first, for clusters without that room; nothing"
        " answers meanwhile, and not again before the new pods are ready.",
    )
    image: ImageName | None = Field(
        None,
        description="Image to serve with instead of status.artifact.image, the one that trained the model.",
    )
