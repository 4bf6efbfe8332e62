"""Volumes of a pod, and where its containers mount them."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from finetune_api.handoff import (
    CA_BUNDLE_FILE,
    CODE_DIRECTORY,
    SECRETS_DIRECTORY,
    SHARED_MEMORY_DIRECTORY,
    VOLUMES_DIRECTORY,
)
from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_api.parts.environment import CABundle
from finetune_api.parts.pod import PodOptions
from finetune_operator.kinds import Manifest

SECRET_MODE = 0o440
SHARED_MEMORY = "shared-memory"


@dataclass
class Volumes:
    """Volumes of a pod and where its containers mount them."""

    volumes: list[Manifest] = field(default_factory=list)
    mounts: list[Manifest] = field(default_factory=list)

    def add(self, name: str, source: Manifest, path: PurePosixPath, *, read_only: bool) -> None:
        """Add a volume, mounted at `path`."""
        self.volumes.append({"name": name, **source})
        self._mount(name, path, read_only=read_only)

    def add_scratch(self, name: str, path: PurePosixPath) -> None:
        """Add an empty folder that lives as long as the pod."""
        self.add(name, {"emptyDir": {}}, path, read_only=False)

    def add_secret(self, folder: str, secret_name: str) -> None:
        """Add the Secret of a model, the dataset, the output or the tracker in a folder of its own, a file per key."""
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
        """Add claims that pvc:// URIs name; the values say whether they are written to.

        What is only read is read-only for the kubelet, too, so that it gives nobody's files to the pod's group. A claim
        that is mounted already, as the workspace, is mounted once more and is no second volume: the kubelet knows a
        claim once in a pod, either to write to or not.
        """
        for index, (claim, written) in enumerate(sorted(claims.items())):
            path, mounted = VOLUMES_DIRECTORY / claim, self._volume_of(claim)
            if mounted:
                self._mount(mounted, path, read_only=not written)
                continue
            source = {"claimName": claim} if written else {"claimName": claim, "readOnly": True}
            self.add(f"claim-{index}", {"persistentVolumeClaim": source}, path, read_only=not written)

    def add_options(self, options: PodOptions) -> None:
        """Add what the options ask for: the certificates of trusted authorities, shared memory."""
        if options.ca_bundle:
            self.add("ca-bundle", _bundle(options.ca_bundle), CA_BUNDLE_FILE.parent, read_only=True)
        if options.shared_memory is not None:
            source = {"emptyDir": {"medium": "Memory", "sizeLimit": str(options.shared_memory)}}
            self.add(SHARED_MEMORY, source, SHARED_MEMORY_DIRECTORY, read_only=False)

    def _mount(self, name: str, path: PurePosixPath, *, read_only: bool) -> None:
        mount: Manifest = {"name": name, "mountPath": str(path)}
        self.mounts.append({**mount, "readOnly": True} if read_only else mount)

    def _volume_of(self, claim: str) -> str | None:
        """Return the name of the volume that a claim is mounted by already."""
        sources = {volume["name"]: volume.get("persistentVolumeClaim") or {} for volume in self.volumes}
        return next((name for name, source in sources.items() if source.get("claimName") == claim), None)


def _bundle(bundle: CABundle) -> Manifest:
    if bundle.config_map_key_ref:
        place = bundle.config_map_key_ref
        return {"configMap": {"name": place.name, "items": [{"key": place.key, "path": CA_BUNDLE_FILE.name}]}}
    secret = bundle.secret_key_ref
    assert secret, "the API server lets a bundle have one of the two"
    items = [{"key": secret.key, "path": CA_BUNDLE_FILE.name}]
    return {"secret": {"secretName": secret.name, "items": items, "defaultMode": SECRET_MODE}}
