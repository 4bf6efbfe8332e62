"""What the training and the serving pods have in common: placement, security, volumes."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from finetune_api.compute import PodPlacement
from finetune_api.config_maps import ConfigMapKeyRef
from finetune_api.handoff import CODE_DIRECTORY, SCRATCH_DIRECTORY, SECRETS_DIRECTORY, VOLUMES_DIRECTORY
from finetune_operator.kinds import Manifest

USER_ID = 1000
SECRET_MODE = 0o440

POD_SECURITY: Manifest = {
    "runAsNonRoot": True,
    "runAsUser": USER_ID,
    "runAsGroup": USER_ID,
    "fsGroup": USER_ID,
    # Checkpoints are large: do not walk the whole volume at every start.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
ENVIRONMENT = [
    {"name": "HOME", "value": str(SCRATCH_DIRECTORY)},
    {"name": "TMPDIR", "value": str(SCRATCH_DIRECTORY)},
    # Threads that spin while they wait cost three times the CPU on a node that others use, too.
    {"name": "OMP_WAIT_POLICY", "value": "PASSIVE"},
]


@dataclass
class Volumes:
    """Volumes of a pod and where its containers mount them."""

    volumes: list[Manifest] = field(default_factory=list)
    mounts: list[Manifest] = field(default_factory=list)

    def add(self, name: str, source: Manifest, path: PurePosixPath, *, read_only: bool) -> None:
        """Add a volume, mounted at `path`."""
        self.volumes.append({"name": name, **source})
        mount: Manifest = {"name": name, "mountPath": str(path)}
        self.mounts.append({**mount, "readOnly": True} if read_only else mount)

    def add_scratch(self, name: str, path: PurePosixPath) -> None:
        """Add an empty folder that lives as long as the pod."""
        self.add(name, {"emptyDir": {}}, path, read_only=False)

    def add_secret(self, folder: str, secret_name: str) -> None:
        """Add the Secret of a model, the dataset or the output in a folder of its own: one file per key."""
        source = {"secret": {"secretName": secret_name, "defaultMode": SECRET_MODE}}
        self.add(f"secret-{folder}", source, SECRETS_DIRECTORY / folder, read_only=True)

    def add_code(self, files: dict[str, ConfigMapKeyRef]) -> None:
        """Add the user's own code: one folder with a file of each name."""
        sources = [
            {"configMap": {"name": place.name, "items": [{"key": place.key, "path": name}]}}
            for name, place in sorted(files.items())
        ]
        if sources:
            self.add("code", {"projected": {"sources": sources}}, CODE_DIRECTORY, read_only=True)

    def add_claims(self, claims: dict[str, bool]) -> None:
        """Add claims that pvc:// URIs name; the values say whether they are written to."""
        for index, (claim, written) in enumerate(sorted(claims.items())):
            source = {"persistentVolumeClaim": {"claimName": claim}}
            self.add(f"claim-{index}", source, VOLUMES_DIRECTORY / claim, read_only=not written)


def resources(placement: PodPlacement) -> Manifest:
    """Return requests and limits. Memory and GPUs are limited to what is asked for; the CPU may burst."""
    requests: Manifest = {"cpu": str(placement.cpu), "memory": str(placement.memory)}
    limits: Manifest = {"memory": str(placement.memory)}
    if placement.gpus:
        requests[placement.gpu_resource_name] = limits[placement.gpu_resource_name] = str(placement.gpus)
    return {"requests": requests, "limits": limits}


def pod_spec(placement: PodPlacement, volumes: Volumes) -> Manifest:
    """Return a pod's spec without its containers: placement, security and volumes; no token of the API server."""
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "volumes": volumes.volumes,
    }
    if placement.node_selector:
        spec["nodeSelector"] = dict(placement.node_selector)
    if placement.tolerations:
        spec["tolerations"] = [toleration.to_wire() for toleration in placement.tolerations]
    if placement.priority_class_name:
        spec["priorityClassName"] = placement.priority_class_name
    if placement.runtime_class_name:
        spec["runtimeClassName"] = placement.runtime_class_name
    return spec
