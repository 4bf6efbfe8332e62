"""`spec.serving`: the inference Deployment."""

from pydantic import Field

from finetune_api.compute import PodPlacement


class ServingSpec(PodPlacement):
    """Serve the published model; editing this never trains again."""

    enabled: bool = Field(False, description="Create a Deployment and a Service for the published model.")
    replicas: int = Field(1, ge=0, le=1000, description="Serving pods. `kubectl scale` changes this field.")
