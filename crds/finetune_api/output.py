"""`spec.output`: where the result is published."""

from pydantic import Field

from finetune_api.model import NO_CREDENTIALS_IN_URI
from finetune_api.schema import ApiModel, Rule
from finetune_api.secrets import SecretRef


class OutputSpec(ApiModel):
    """Where the merged model is published: into a folder named by the run, below `destination`."""

    rules = (
        Rule(
            "self.destination.matches('^(s3|pvc)://[^/]+')",
            "must be s3://bucket/path or pvc://claim/path",
            field_path=".destination",
        ),
        Rule(
            "!self.destination.contains('@') && !self.destination.contains('?')",
            NO_CREDENTIALS_IN_URI,
            field_path=".destination",
        ),
    )

    destination: str = Field(
        min_length=1,
        max_length=1024,
        description="s3://bucket/path or pvc://claim/path. Each run publishes into a folder of its own below it.",
    )
    secret_ref: SecretRef | None = Field(
        None, description="Credentials to write to, and to serve from, the destination."
    )
