"""Names, labels and owner references of the children."""

from finetune_api import API_VERSION, KIND
from finetune_api.keys import (
    ANNOTATION_JOB_NAME,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_JOB_UID,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_PART_OF,
    LABEL_RUN,
    MANAGED_BY,
    Component,
)
from finetune_api.runs import NAME_LIMIT, child_name
from finetune_operator.kinds import Kind, Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob

APPLICATION = "finetune"


def run_name(job: FineTuneJob, run_id: str) -> str:
    """Return the name of a run's training Job and ConfigMap."""
    return child_name(job.name, run_id)


def workspace_name(job: FineTuneJob) -> str:
    """Return the name of the claim that holds the workspace: the user's own, or ours."""
    return job.spec.storage.existing_claim or child_name(job.name, "workspace")


def deployment_name(job: FineTuneJob, run_id: str) -> str:
    """Return the name of the Deployment that serves a run's model."""
    return child_name(job.name, f"{run_id}-server")


def service_name(job: FineTuneJob) -> str:
    """Return the name of the Service, which stays the same whichever run is served."""
    return child_name(job.name, "server")


def labels(job: FineTuneJob, component: Component, run_id: str | None = None) -> dict[str, str]:
    """Return the labels of a child."""
    instance = job.name if len(job.name) <= NAME_LIMIT else child_name(job.name, "job")
    found = {
        LABEL_NAME: f"{APPLICATION}-{component}",
        LABEL_INSTANCE: instance,
        LABEL_COMPONENT: component.value,
        LABEL_PART_OF: APPLICATION,
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_JOB_UID: job.uid,
    }
    return {**found, LABEL_RUN: run_id} if run_id else found


def child(
    job: FineTuneJob,
    kind: Kind,
    name: str,
    component: Component,
    *,
    run_id: str | None = None,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    """Return the head of a child: kind, name, labels, and the FineTuneJob as its controlling owner."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": job.namespace,
            "labels": labels(job, component, run_id),
            "annotations": {ANNOTATION_JOB_NAME: job.name, **(annotations or {})},
            "ownerReferences": [owner_reference(job)],
        },
    }


def owner_reference(job: FineTuneJob) -> dict[str, object]:
    """Return the reference by which the garbage collector finds the children."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
