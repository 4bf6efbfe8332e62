"""`spec.model`: what is tuned."""

from pydantic import Field

from finetune_api.parts.secrets import SecretRef
from finetune_api.parts.sources import uri_rules
from finetune_api.schema import ApiModel, Rule


class ModelSpec(ApiModel):
    """The base model."""

    rules = (
        *uri_rules("source", "hf", "s3", "pvc", "job"),
        Rule(
            "!has(self.revision) || self.source.startsWith('hf://')",
            "applies to hf:// sources only; for s3:// and pvc:// put the version into the path; a job:// source is"
            " always what that job published last",
            field_path=".revision",
        ),
    )

    source: str = Field(
        min_length=1,
        max_length=1024,
        description="Base model in the Hugging Face folder layout: hf://organisation/name, s3://bucket/path,"
        " pvc://claim/path, or job://name for what another FineTuneJob of this namespace has published.",
    )
    revision: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="Commit, tag or branch of an hf:// model. Default: main.",
    )
    secret_ref: SecretRef | None = Field(
        None, description="Credentials for the source. Default for job://: those that the other job publishes with."
    )
