"""What the training and the serving pods have in common: placement, security, resources."""

from finetune_api.keys import ANNOTATION_JOB_NAME, Component
from finetune_api.parts.pod import Identity, PodOptions, PodSecurity
from finetune_api.quantity import amount
from finetune_api.spec.compute import PodPlacement
from finetune_operator.desired.environment import environment
from finetune_operator.desired.metadata import labels
from finetune_operator.desired.volumes import Volumes
from finetune_operator.kinds import Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob

USER_ID = 1000
CONTAINER_SECURITY: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
PLACEMENT = (
    "node_selector",
    "tolerations",
    "affinity",
    "scheduler_name",
    "priority_class_name",
    "runtime_class_name",
    "image_pull_secrets",
)
"""Options that a pod's spec takes as they are."""


def pod_metadata(
    job: FineTuneJob, options: PodOptions, component: Component, run_id: str, annotations: dict[str, str]
) -> Manifest:
    """Return the pods' labels and annotations. The operator finds its pods by its own, so those win."""
    return {
        "labels": {**(options.labels or {}), **labels(job, component, run_id)},
        "annotations": {**(options.annotations or {}), ANNOTATION_JOB_NAME: job.name, **annotations},
    }


def container(placement: PodPlacement, volumes: Volumes) -> Manifest:
    """Return what all containers have in common: pull policy, environment, resources, security, mounts."""
    pulling = {"imagePullPolicy": placement.image_pull_policy.value} if placement.image_pull_policy else {}
    return {
        **pulling,
        **environment(placement),
        "resources": resources(placement),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": volumes.mounts,
    }


def resources(placement: PodPlacement) -> Manifest:
    """Return requests and limits: what is asked for, with the limits that are given; the CPU may burst without one."""
    requests: Manifest = {"cpu": str(placement.cpu), "memory": str(placement.memory)}
    if placement.ephemeral_storage is not None:
        requests["ephemeral-storage"] = str(placement.ephemeral_storage)
    if placement.gpus:
        requests[placement.gpu_resource_name] = str(placement.gpus)
    limits = {name: asked for name, asked in requests.items() if name != "cpu"}
    for name, limit in (placement.limits or {}).items():
        # A default of the chart may be less than what a job asks for.
        if name not in requests or amount(limit) >= amount(requests[name]):
            limits[name] = str(limit)
    return {"requests": requests, "limits": limits}


def pod_spec(placement: PodPlacement, volumes: Volumes, peers: dict[str, str]) -> Manifest:
    """Return a pod's spec without its containers: placement, security and volumes; no token of the API server.

    peers: labels of the pods that it spreads among, where a constraint names none.
    """
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(placement.security_context or PodSecurity()),
        "volumes": volumes.volumes,
    }
    wire = placement.to_wire()
    for name in PLACEMENT:
        alias = PodOptions.model_fields[name].alias or name
        if wire.get(alias):
            spec[alias] = wire[alias]
    if placement.topology_spread_constraints:
        counted = {"labelSelector": {"matchLabels": peers}}
        spec["topologySpreadConstraints"] = [
            counted | constraint.to_wire() for constraint in placement.topology_spread_constraints
        ]
    if placement.service_account_name:
        # Both names of the field: one that is left behind would come back as the other.
        spec |= dict.fromkeys(("serviceAccountName", "serviceAccount"), placement.service_account_name)
    return spec


def pod_security(security: PodSecurity) -> Manifest:
    """Return the pod's security context: as the restricted Pod Security Standard wants it, whatever is chosen."""
    chosen = security.to_wire()
    identity = chosen.pop("identity")
    fixed = {} if identity == Identity.ASSIGNED else dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), USER_ID)
    return {
        "runAsNonRoot": True,
        **fixed,
        **chosen,
        # Checkpoints are large: do not walk the whole volume at every start.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
