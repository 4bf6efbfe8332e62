"""The claim of the workspace volume."""

from finetune_api.keys import Component
from finetune_api.spec.storage import AccessMode
from finetune_operator.desired.metadata import child, workspace_name
from finetune_operator.kinds import CLAIM, Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob


def workspace_claim(job: FineTuneJob) -> Manifest | None:
    """Return the claim, None when the user brings one of their own."""
    storage = job.spec.storage
    if storage.existing_claim:
        return None
    spec: Manifest = {
        "accessModes": [mode.value for mode in storage.access_modes or (AccessMode.READ_WRITE_ONCE,)],
        "resources": {"requests": {"storage": str(storage.size)}},
    }
    if storage.storage_class_name:
        spec["storageClassName"] = storage.storage_class_name
    return {**child(job, CLAIM, workspace_name(job), Component.TRAINING), "spec": spec}
