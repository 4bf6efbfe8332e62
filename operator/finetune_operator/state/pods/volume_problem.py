"""Why the volumes of a pod are not there yet."""

from collections.abc import Iterable

from finetune_api.keys import Reason
from finetune_operator.kinds import CLAIM, Manifest
from finetune_operator.manifests import annotation_of, name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed
from finetune_operator.state.pods.event_log import about, latest, message_of, short, time_of
from finetune_operator.state.pods.missing_reference import missing_reference
from finetune_operator.state.pods.scheduling import claim_missed, missing_claim
from finetune_operator.state.status.story import Problem

VOLUME_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "ProvisioningFailed", "FailedBinding")
STARTED = ("Pulling", "Pulled", "Created", "Started")
"""Events of a pod whose volumes are all mounted: what was said of them before is history."""

NOT_SEEN_YET = "no relationship found between node"
"""What the API server says until it has seen that the pod's node may read its claims: a second later, it may."""

_SETTLED_BY = {"FailedAttachVolume": ("SuccessfulAttachVolume",), "ProvisioningFailed": ("ProvisioningSucceeded",)}
_PROVISIONER = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")


def volume_problem(pod: Manifest, observed: Observed, job: FineTuneJob) -> Problem | None:
    """Say which volume, Secret or ConfigMap is not there, from the Events about a pod and its claims."""
    said = [event for subject in (pod, *claims_of(pod, observed)) for event in about(observed.events, subject)]
    lasting = (event for event in said if not _is_settled(event, said) and NOT_SEEN_YET not in message_of(event))
    event = latest(lasting, VOLUME_EVENTS)
    if event is None:
        return None
    message = message_of(event)
    missing = missing_reference(message, job)
    if missing is not None:
        return missing
    claim = claim_missed(message)
    if claim:
        return missing_claim(claim)
    subject = event.get("involvedObject") or {}
    where = f"{subject.get('kind', 'object')} {subject.get('name', '')}".strip()
    return Problem(Reason.VOLUME_NOT_READY, f"A volume is not ready ({where}): {short(message)}")


def unbound_claim(pod: Manifest, observed: Observed) -> Problem | None:
    """Name the claim of a pod that nobody has bound, and who should."""
    for claim in claims_of(pod, observed):
        if (claim.get("status") or {}).get("phase") == "Pending":
            return Problem(Reason.VOLUME_NOT_READY, _unbound(claim))
    return None


def claims_of(pod: Manifest, observed: Observed) -> list[Manifest]:
    """Return the claims that a pod mounts, as far as they are ours."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    names = {(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes}
    return [claim for claim in observed.of_kind(CLAIM) if name_of(claim) in names]


def _unbound(claim: Manifest) -> str:
    name, storage_class = name_of(claim), (claim.get("spec") or {}).get("storageClassName")
    of_class = f"storage class {storage_class}" if storage_class else "the default storage class"
    provisioner = next((found for key in _PROVISIONER if (found := annotation_of(claim, key))), "")
    waits = f", and its provisioner {provisioner} says nothing: see that it runs" if provisioner else ""
    return f"PersistentVolumeClaim {name} ({of_class}) is not bound yet{waits}. See: kubectl describe pvc {name}"


def _is_settled(event: Manifest, events: Iterable[Manifest]) -> bool:
    """Whether something later shows that it no longer holds."""
    settling = (*STARTED, *_SETTLED_BY.get(str(event.get("reason")), ()))
    return any(other.get("reason") in settling and time_of(other) >= time_of(event) for other in events)
