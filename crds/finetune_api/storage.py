"""`spec.storage`: the workspace volume, where checkpoints live while the job exists."""

from pydantic import Field

from finetune_api.schema import ApiModel, ObjectName, Quantity, Rule, at_least


class StorageSpec(ApiModel):
    """The workspace volume."""

    rules = (
        at_least("size", "1Mi", "must be an amount of storage, with its unit, such as 20Gi"),
        Rule(
            "!has(self.existingClaim) || !has(self.storageClassName)",
            "is only for a claim that the operator creates; remove it or existingClaim",
            field_path=".storageClassName",
        ),
    )

    size: Quantity = Field("20Gi", description="Size of the volume that the operator claims.")
    storage_class_name: ObjectName | None = Field(None, description="StorageClass. Default: the cluster's default.")
    existing_claim: ObjectName | None = Field(
        None, description="Use this PersistentVolumeClaim instead of creating one; it is never deleted."
    )
