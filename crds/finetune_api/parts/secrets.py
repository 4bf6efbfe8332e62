"""References to Secrets: the only form in which a credential is ever named in the resource."""

from pydantic import Field

from finetune_api.schema import ApiModel, DataKey, Rule

SECRET_NAME = Rule(
    "self.name.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",
    "must be the name of a Secret in this namespace (lower-case letters, digits, '-' and '.'), never the"
    " secret itself: store the value with `kubectl create secret generic NAME --from-literal=KEY=...`",
    field_path=".name",
)


class SecretRef(ApiModel):
    """Names a Secret in the job's namespace."""

    rules = (SECRET_NAME,)

    name: str = Field(
        min_length=1,
        max_length=253,
        description="Name of a Secret in the job's namespace. Keys that are read: AWS_ACCESS_KEY_ID,"
        " AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL for s3://, HF_TOKEN for hf://.",
    )


class SecretKeyRef(ApiModel):
    """Names one key of a Secret in the job's namespace."""

    rules = (SECRET_NAME,)

    name: str = Field(min_length=1, max_length=253, description="Name of a Secret in the job's namespace.")
    key: DataKey = Field(description="Key in its data.")


class NamedSecret(ApiModel):
    """Names a whole Secret in the job's namespace."""

    rules = (SECRET_NAME,)

    name: str = Field(min_length=1, max_length=253, description="Name of a Secret in the job's namespace.")
