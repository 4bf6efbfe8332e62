"""`spec.output`: where the result is published."""

from pydantic import Field

from finetune_api.parts.secrets import SecretRef
from finetune_api.parts.sources import uri_rules
from finetune_api.schema import ApiModel


class OutputSpec(ApiModel):
    """Where the merged model is published: into the folder `<namespace>/<name>/<run>` below `destination`."""

    rules = uri_rules("destination", "s3", "pvc")

    destination: str = Field(
        min_length=1,
        max_length=1024,
        description="s3://bucket/path or pvc://claim/path. Each run publishes into a folder of its own below"
        " it, <namespace>/<name>/<run>.",
    )
    merge_tolerance: float | None = Field(
        None,
        gt=0,
        le=1,
        description="How far the logits of the merged model may lie from those of the adapters, as a share of the"
        " largest logit; beyond it nothing is published. Default: 0.001 in float32; where 16 bits are in play, 0.05 and"
        " what their rounding is measured to explain.",
    )
    secret_ref: SecretRef | None = Field(
        None, description="Credentials to write to, and to serve from, the destination."
    )
