"""References to ConfigMaps: how a file of the user's own gets into the training pod."""

from typing import Annotated

from pydantic import Field

from finetune_api.schema import ApiModel, ObjectName

ConfigMapKey = Annotated[str, Field(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$")]


class ConfigMapKeyRef(ApiModel):
    """Names one key of a ConfigMap in the job's namespace."""

    name: ObjectName = Field(description="Name of a ConfigMap in the job's namespace.")
    key: ConfigMapKey = Field(description="Key in its data; the value is the file.")
