"""`spec.serving`: the inference Deployment."""

from typing import Annotated

from pydantic import Field

from finetune_api.compute import PodPlacement


class ServingSpec(PodPlacement):
    """Serve the published model; editing this never trains again."""

    enabled: bool = Field(False, description="Create a Deployment and a Service for the published model.")
    pinned_run: Annotated[str, Field(max_length=63, pattern=r"^[0-9a-f]+$")] | None = Field(
        None,
        description="Serve this run's model, one of status.history, instead of the newest; later runs are published and"
        " not served until this is removed.",
    )
    replicas: int = Field(1, ge=0, le=1000, description="Serving pods. `kubectl scale` changes this field.")
