"""Why a container of a pod does not start, from what the kubelet makes of it."""

import re

from finetune_api.keys import Reason
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.event_log import about, latest, message_of, short
from finetune_operator.state.pods.missing_reference import absent, missing_reference
from finetune_operator.state.status.story import Problem

STARTING = ("ContainerCreating", "PodInitializing")
"""Why every container waits at first."""
PULL_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "RegistryUnavailable")
IMAGE_REASONS = {
    "ErrImageNeverPull": "is not on the node, and may not be pulled",
    "ImageInspectError": "is on the node, but cannot be read",
    "SignatureValidationFailed": "has no signature that the node accepts",
}

ACCESS_DENIED = "access denied"

_PULL_SECRETS = re.compile(r"image pull secrets \(([^)]+)\)")
_CAUSES = (
    (("not found", "NotFound", "manifest unknown"), "not found"),
    (("unauthorized", "denied", "authentication", "forbidden"), ACCESS_DENIED),
    (("toomanyrequests", "429"), "the registry allows no more pulls for now"),
    (("no such host", "timeout", "connection refused", "RegistryUnavailable"), "the registry does not answer"),
    (("x509", "certificate"), "the registry's certificate is not trusted"),
    (("no space left",), "the node's disk is full"),
    (("no match for platform",), "not made for the node's processor"),
)


def container_problem(pod: Manifest, observed: Observed, job: FineTuneJob, block: str) -> Problem | None:
    """Say what the kubelet cannot start, and why; None while nothing is wrong."""
    for status in pods.container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
        if not reason or reason in STARTING:
            continue
        if reason in PULL_REASONS:
            events = about(observed.events, pod)
            return _missing_pull_secret(events, message, job) or _pull_problem(status, waiting, events, block)
        if reason in IMAGE_REASONS:
            words = f"Image {_image(status)} {IMAGE_REASONS[reason]}: {short(message) or reason}."
            return Problem(Reason.IMAGE_PULL_FAILED, f"{words} {_image_advice(status, block)}")
        if reason == "CrashLoopBackOff":
            return Problem(Reason.CONTAINER_NOT_STARTING, _crash_message(pod, status))
        detail = short(message) or reason
        words = f"Container {status['name']} cannot start: {detail}"
        return missing_reference(message, job) or Problem(Reason.CONTAINER_NOT_STARTING, words)
    return None


def _missing_pull_secret(events: list[Manifest], message: str, job: FineTuneJob) -> Problem | None:
    """Name a pull secret that is not there, if the image may have needed it."""
    said = _PULL_SECRETS.search(message_of(latest(events, ("FailedToRetrieveImagePullSecret",))))
    needed = _cause(message, events) in ("", ACCESS_DENIED)
    return absent("Secret", said[1].split(", ")[0], job) if said and needed else None


def _pull_problem(status: Manifest, waiting: Manifest, events: list[Manifest], block: str) -> Problem:
    advice = _image_advice(status, block)
    if waiting["reason"] == "InvalidImageName":
        return Problem(Reason.IMAGE_PULL_FAILED, f"{_image(status)!r} is no valid image name. {advice}")
    why = _cause(str(waiting.get("message") or waiting["reason"]), events)
    words = f"Image {_image(status)} cannot be pulled{f' ({why})' if why else ''}. {advice.removesuffix('.')}"
    return Problem(
        Reason.IMAGE_PULL_FAILED,
        f"{words}, or give {block}.imagePullSecrets or the namespace's default ServiceAccount an image pull secret.",
    )


def _cause(message: str, events: list[Manifest]) -> str:
    """Return why an image cannot be pulled. The kubelet's back-off need not quote the error: say the same for both."""
    lowered = f"{message} {message_of(latest(events, ('Failed',)))}".lower()
    return next((why for marks, why in _CAUSES if any(mark.lower() in lowered for mark in marks)), "")


def _image(status: Manifest) -> str:
    return str(status.get("image") or "?")


def _image_advice(status: Manifest, block: str) -> str:
    name = str(status.get("name"))
    if name in pods.OWN_CONTAINERS:
        return f"Correct {block}.image or the operator's trainer image."
    return f"It is that of container {name}: correct it where that is added to the pod."


def _crash_message(pod: Manifest, status: Manifest) -> str:
    end = (status.get("lastState") or {}).get("terminated") or {}
    last = short(str(end.get("message") or "")) or f"exit code {end.get('exitCode')}"
    return (
        f"Container {status['name']} of pod {name_of(pod)} crashes again and again: {last}."
        f" See: kubectl logs {name_of(pod)} -c {status['name']} --previous"
    )
