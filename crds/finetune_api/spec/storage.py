"""`spec.storage`: the workspace volume, where checkpoints live while the job exists."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.schema import ApiModel, ObjectName, Quantity, Rule, at_least

WorkspaceTTL = Annotated[int, Field(ge=0, le=31_536_000)]


class AccessMode(StrEnum):
    """How a volume may be mounted."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"
    READ_WRITE_MANY = "ReadWriteMany"


class StorageSpec(ApiModel):
    """The workspace volume."""

    rules = (
        at_least("size", "1Mi", "must be an amount of storage, with its unit, such as 20Gi"),
        Rule(
            "!has(self.existingClaim) || !has(self.storageClassName)",
            "is only for a claim that the operator creates; remove it or existingClaim",
            field_path=".storageClassName",
        ),
        Rule(
            "!has(self.existingClaim) || !has(self.accessModes)",
            "is only for a claim that the operator creates; remove it or existingClaim",
            field_path=".accessModes",
        ),
    )

    size: Quantity = Field(
        "20Gi",
        description="Size of the volume that the operator claims. It may grow, where the storage class allows"
        " that; less than the volume has changes nothing.",
    )
    storage_class_name: ObjectName | None = Field(None, description="StorageClass. Default: the cluster's default.")
    access_modes: list[AccessMode] | None = Field(
        None,
        min_length=1,
        max_length=3,
        description="How the volume may be mounted. Default: ReadWriteOnce. ReadWriteMany, which few storage classes"
        " offer, lets a pod start on another node while the volume is still attached to the one before.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    existing_claim: ObjectName | None = Field(
        None, description="Use this PersistentVolumeClaim instead of creating one; it is never deleted."
    )
