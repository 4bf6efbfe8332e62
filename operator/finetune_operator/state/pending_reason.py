"""Why a pod is not running yet, in words that say what to do."""

import re
from collections.abc import Iterable

from finetune_api.compute import PodPlacement
from finetune_api.keys import Reason
from finetune_operator.desired.resource import FineTuneJob
from finetune_operator.kinds import CLAIM, Manifest
from finetune_operator.manifests import name_of
from finetune_operator.state import pods
from finetune_operator.state.missing_reference import missing_account, missing_reference
from finetune_operator.state.observed import Observed
from finetune_operator.state.scheduling import missing_claim, unschedulable, waits_for_volume
from finetune_operator.state.story import Problem

IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ErrInspectImage")
CREATE_REASONS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
VOLUME_EVENTS = ("FailedMount", "FailedAttachVolume", "ProvisioningFailed", "FailedBinding")
DETAIL_LIMIT = 600

_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')


def pod_problem(
    pod: Manifest, observed: Observed, job: FineTuneJob, placement: PodPlacement, block: str
) -> Problem | None:
    """Say what keeps a pod from running; None when nothing is known to.

    observed: for the Events about the pod and its claims. block: the part of the spec that places the pod.
    """
    scheduling = unschedulable(pod, placement, block)
    if scheduling is None:
        return _container_problem(pod, job, block) or volume_problem(observed.events, job)
    if any(scheduling == missing_claim(name_of(claim)) for claim in observed.of_kind(CLAIM)):
        return None  # The claim is there: the scheduler's cache lags a moment behind.
    if not waits_for_volume(scheduling):
        return scheduling
    return volume_problem(observed.events, job) or _unbound_claim(observed) or scheduling


def creation_problem(events: Iterable[Manifest], since: str) -> Problem | None:
    """Say why a controller could not create its pod, from its FailedCreate Events since the last pod's creation."""
    event = _latest(events, ("FailedCreate",))
    return refusal_problem(str(event.get("message") or "")) if event and _time(event) > since else None


def refusal_problem(message: str) -> Problem:
    """Explain why the API server refused an object."""
    detail = _short(message)
    if "must specify" in message and "quota" in message:
        advice = "Set them in limits or ephemeralStorage, of spec.compute, spec.serving or the chart's defaults"
        return Problem(Reason.QUOTA_EXCEEDED, f"The namespace's quota wants pods to say more: {detail}. {advice}.")
    if "exceeded quota" in message or "failed quota" in message:
        return Problem(Reason.QUOTA_EXCEEDED, f"The namespace's quota is used up: {detail}. Free or raise it.")
    if "violates PodSecurity" in message:
        advice = "Label the namespace pod-security.kubernetes.io/enforce with a level that allows it"
        return Problem(Reason.ADMISSION_REFUSED, f"Pod Security refused the pod: {detail}. {advice}.")
    unexplained = Problem(Reason.ADMISSION_REFUSED, f"The API server refused an object of this job: {detail}")
    return missing_account(message) or unexplained


def volume_problem(events: Iterable[Manifest], job: FineTuneJob) -> Problem | None:
    """Say which volume, or Secret, is not there, from the Events about a pod and its claims."""
    event = _latest(events, VOLUME_EVENTS)
    if event is None:
        return None
    message = str(event.get("message") or "")
    claim = _CLAIM.search(message)
    if claim:
        return missing_claim(claim[1])
    missing = missing_reference(message, job)
    if missing:
        return missing
    about = event.get("involvedObject") or {}
    where = f"{about.get('kind', 'object')} {about.get('name', '')}".strip()
    return Problem(Reason.VOLUME_NOT_READY, f"A volume is not ready ({where}): {_short(message)}")


def _unbound_claim(observed: Observed) -> Problem | None:
    for claim in observed.of_kind(CLAIM):
        if (claim.get("status") or {}).get("phase") == "Pending":
            name, storage_class = name_of(claim), (claim.get("spec") or {}).get("storageClassName")
            of_class = f"storage class {storage_class}" if storage_class else "the default storage class"
            return Problem(
                Reason.VOLUME_NOT_READY,
                f"PersistentVolumeClaim {name} ({of_class}) is not bound yet. See: kubectl describe pvc {name}",
            )
    return None


def _container_problem(pod: Manifest, job: FineTuneJob, block: str) -> Problem | None:
    for status in pods.container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
        if reason in IMAGE_REASONS:
            return Problem(Reason.IMAGE_PULL_FAILED, _image_message(status, reason, message, block))
        if reason in CREATE_REASONS:
            words = f"Container {status['name']} cannot start: {_short(message)}"
            return missing_reference(message, job) or Problem(Reason.CONTAINER_NOT_STARTING, words)
        if reason == "CrashLoopBackOff":
            return Problem(Reason.CONTAINER_NOT_STARTING, _crash_message(pod, status))
    return None


def _image_message(status: Manifest, reason: str, message: str, block: str) -> str:
    image = status.get("image") or "?"
    if reason == "InvalidImageName":
        return f"{image!r} is no valid image name. Correct {block}.image, or the operator's trainer image."
    # The kubelet alternates between the error and the back-off that quotes it: say the same for both.
    why = ""
    if "not found" in message or "NotFound" in message:
        why = " (not found)"
    elif "unauthorized" in message.lower() or "denied" in message or "authentication" in message.lower():
        why = " (access denied)"
    return (
        f"Image {image} cannot be pulled{why}. Correct {block}.image or the operator's trainer image, or name a"
        f" registry's Secret in {block}.imagePullSecrets."
    )


def _crash_message(pod: Manifest, status: Manifest) -> str:
    end = (status.get("lastState") or {}).get("terminated") or {}
    last = _short(str(end.get("message") or "")) or f"exit code {end.get('exitCode')}"
    return (
        f"Container {status['name']} of pod {name_of(pod)} crashes again and again: {last}."
        f" See: kubectl logs {name_of(pod)} -c {status['name']} --previous"
    )


def _latest(events: Iterable[Manifest], reasons: tuple[str, ...]) -> Manifest | None:
    matching = [event for event in events if event.get("reason") in reasons]
    return max(matching, key=_time, default=None)


def _time(event: Manifest) -> str:
    series = event.get("series") or {}
    times = (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime"))
    return max((str(time) for time in times if time), default="")


def _short(message: str) -> str:
    line = " ".join(message.split()).rstrip(".")
    return line if len(line) <= DETAIL_LIMIT else f"{line[: DETAIL_LIMIT - 1]}…"
