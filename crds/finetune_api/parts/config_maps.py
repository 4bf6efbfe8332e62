"""References to ConfigMaps: how a file of the user's own gets into the training pod."""

from pydantic import Field

from finetune_api.schema import ApiModel, DataKey, ObjectName


class ConfigMapKeyRef(ApiModel):
    """Names one key of a ConfigMap in the job's namespace."""

    name: ObjectName = Field(description="Name of a ConfigMap in the job's namespace.")
    key: DataKey = Field(description="Key in its data; the value is the file.")


class ConfigMapRef(ApiModel):
    """Names a ConfigMap in the job's namespace."""

    name: ObjectName = Field(description="Name of a ConfigMap in the job's namespace.")
