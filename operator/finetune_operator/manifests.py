"""Reading plain manifests: identity, ownership, time."""

from datetime import UTC, datetime

from finetune_api import API_VERSION, KIND
from finetune_api.keys import LABEL_JOB_UID
from finetune_operator.kinds import Manifest

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def name_of(manifest: Manifest) -> str:
    """Return metadata.name."""
    return str(manifest["metadata"]["name"])


def namespace_of(manifest: Manifest) -> str:
    """Return metadata.namespace."""
    return str(manifest["metadata"]["namespace"])


def label_for(manifest: Manifest) -> str:
    """Return kind and name, as logs name an object."""
    return f"{manifest['kind']}/{name_of(manifest)}"


def uid_of(manifest: Manifest) -> str:
    """Return metadata.uid, empty for an object that is not stored yet."""
    return str(manifest["metadata"].get("uid", ""))


def version_of(manifest: Manifest) -> int:
    """Return metadata.resourceVersion as a number; newer is greater."""
    return int(manifest["metadata"].get("resourceVersion") or 0)


def label_of(manifest: Manifest, key: str) -> str:
    """Return a label, empty when unset."""
    return str((manifest["metadata"].get("labels") or {}).get(key, ""))


def annotation_of(manifest: Manifest, key: str) -> str:
    """Return an annotation, empty when unset."""
    return str((manifest["metadata"].get("annotations") or {}).get(key, ""))


def is_deleting(manifest: Manifest) -> bool:
    """Whether the object waits for its dependents or finalizers to go."""
    return bool(manifest["metadata"].get("deletionTimestamp"))


def controller_of(manifest: Manifest) -> Manifest | None:
    """Return the owner reference that controls the object."""
    for reference in manifest["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def owner_uid(manifest: Manifest) -> str:
    """Return the uid of the FineTuneJob that an object belongs to: its controller's or, for a pod, its label's."""
    owner = controller_of(manifest)
    if owner is not None and owner.get("kind") == KIND and owner.get("apiVersion") == API_VERSION:
        return str(owner["uid"])
    return label_of(manifest, LABEL_JOB_UID) if manifest.get("kind") == "Pod" else ""


def timestamp(moment: datetime) -> str:
    """Write a time as metav1.Time does."""
    return moment.astimezone(UTC).strftime(TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Read a metav1.Time."""
    return datetime.fromisoformat(text)
