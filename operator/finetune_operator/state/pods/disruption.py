"""What ended a pod from outside, or kept it from its node: such causes come before the exit code.

The texts are those of kubelet, scheduler and controllers of Kubernetes 1.30 to 1.36.
"""

import re
from datetime import timedelta

from finetune_api.failures import FailureClass
from finetune_api.keys import Reason
from finetune_operator.desired.volumes import SHARED_MEMORY
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import is_deleting, name_of, parse_time
from finetune_operator.resource.containers import TRAINER
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.pods import pods
from finetune_operator.state.status.story import Problem, closed

EVICTED = "Evicted"
REJECTION = "Pod was rejected: "
REJECTION_REASONS = (
    "AppArmor",
    "EmptyPodSharedPoolError",
    "InvalidNodeInfo",
    "NodeAffinity",
    "NodeShutdown",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "SMTAlignmentError",
    "SysctlForbidden",
    "TopologyAffinityError",
    "UnexpectedAdmissionError",
    "UnexpectedPredicateFailureType",
    "VolumeAttachmentLimitExceeded",
)
OUT_OF = "OutOf"
CLOCK_TOLERANCE = timedelta(seconds=2)

_DISRUPTIONS = {
    "PreemptionByScheduler": "was preempted by a pod of higher priority",
    "EvictionByEvictionAPI": "was evicted, as when its node is drained",
    "DeletionByTaintManager": "was removed, since its node does not answer or has a taint that it does not tolerate",
    "DeletionByDeviceTaintManager": "was removed, since its device was given a taint",
    "DeletionByPodGC": "is lost: its node no longer exists",
}
_STATUS_REASONS = {
    EVICTED: "was evicted",
    "Preempting": "had to give way to a critical pod of its node",
    "Terminated": "was stopped, since its node shuts down",
    "Shutdown": "was stopped, since its node shuts down",
    "NodeShutdown": "was stopped, since its node shuts down",
    "DeadlineExceeded": "was stopped, since an activeDeadlineSeconds of the pod itself had passed",
}
_HUNGRY = re.compile(
    r"(?:Container (?P<container>\S+)|Pod \S+) was using [^,]+, request is [^,]+,"
    r" has larger consumption of (?P<resource>[-\w/.]*[-\w])"
)
_VOLUME = re.compile(r'EmptyDir volume "([^"]+)" exceeds')
_STORAGE_LIMIT = re.compile(
    r"exceeded its local ephemeral storage limit"
    r"|Pod ephemeral local storage usage exceeds the total limit of containers"
    r"|Usage of EmptyDir volume .* exceeds the limit"
)


def is_rejected(pod: Manifest) -> bool:
    """Whether a node turned the pod away before anything of it ran: the next node may have room."""
    if pods.phase_of(pod) != "Failed" or pods.has_begun(pod):
        return False
    status = pod.get("status") or {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    return message.startswith(REJECTION) or reason.startswith(OUT_OF) or reason in REJECTION_REASONS


def is_self_inflicted(pod: Manifest) -> bool:
    """Whether the pod was evicted for using more than it had asked for: another pod would be, too."""
    return _excess(pod) is not None


def outside_problem(job: FineTuneJob, pod: Manifest) -> Problem | None:
    """Say what stopped a failed pod, or kept it from its node; None when nothing did from outside."""
    status = pod.get("status") or {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "").strip()
    if is_rejected(pod):
        said = message.removeprefix(REJECTION) or reason
        return Problem(
            Reason.POD_REJECTED, f"{_node(pod)} turned pod {name_of(pod)} away ({reason}): {_sentence(said)}"
        )
    excess = _excess(pod)
    if excess:
        return _excess_problem(job, pod, excess)
    words = _disruption(pod, reason, message) or _deletion(pod)
    return Problem(FailureClass.PREEMPTED, f"Pod {name_of(pod)} {words}") if words else None


def _disruption(pod: Manifest, reason: str, message: str) -> str | None:
    target = pods.condition_of(pod, "DisruptionTarget")
    if reason in _STATUS_REASONS:
        return f"{_STATUS_REASONS[reason]}: {_sentence(message or reason)}"
    if target and target.get("status") == "True" and (target.get("reason") or target.get("message")):
        cause = str(target.get("reason") or "")
        detail = str(target.get("message") or message or cause)
        return f"{_DISRUPTIONS.get(cause, 'was stopped from outside')}: {_sentence(detail)}"
    if pods.ended(pod) is None and (message or reason):
        return f"was stopped from outside: {_sentence(message or reason)}"
    return None


def _deletion(pod: Manifest) -> str | None:
    """Say that somebody deleted the pod, unless its trainer had ended before."""
    if not is_deleting(pod):
        return None
    head, end = pod["metadata"], pods.ended(pod) or {}
    asked = head.get("deletionGracePeriodSeconds", (pod.get("spec") or {}).get("terminationGracePeriodSeconds"))
    requested = parse_time(head["deletionTimestamp"]) - timedelta(seconds=int(asked or 0))
    finished = end.get("finishedAt")
    if end.get("reason") == "OOMKilled" or (finished and parse_time(finished) < requested - CLOCK_TOLERANCE):
        return None
    return "was deleted while it worked."


def _excess(pod: Manifest) -> str | None:
    """Return the kubelet's words for what the pod used too much of."""
    status = pod.get("status") or {}
    if status.get("reason") != EVICTED or is_rejected(pod):
        return None
    message = " ".join(str(status.get("message") or "").split())
    return message if _HUNGRY.search(message) or _STORAGE_LIMIT.search(message) else None


def _excess_problem(job: FineTuneJob, pod: Manifest, message: str) -> Problem:
    hungry = {found["container"] or TRAINER: found["resource"] for found in _HUNGRY.finditer(message)}
    quoted = f"Pod {name_of(pod)} was evicted for what it used itself: {_sentence(message)}"
    if hungry and TRAINER not in hungry:
        names = ", ".join(hungry)
        advice = f"The trainer is not to blame: mend {names} where it is added to the pod."
        return Problem(Reason.CONTAINER_FAILED, f"{quoted} {advice}")
    resource = hungry.get(TRAINER, "ephemeral-storage")
    if resource == "memory":
        advice = f"Raise spec.compute.memory (it is {job.spec.compute.memory}), or lower spec.training.batchSize."
        return Problem(FailureClass.OUT_OF_MEMORY, f"{quoted} {advice}")
    volume = _VOLUME.search(message)
    if volume and volume[1] == SHARED_MEMORY:
        advice = f"Raise spec.compute.sharedMemory (it is {job.spec.compute.shared_memory})."
        return Problem(FailureClass.OUT_OF_MEMORY, f"{quoted} {advice}")
    size = job.spec.compute.ephemeral_storage
    known = f" (it is {size})" if size else ", which also reserves it on the node"
    advice = f"Raise spec.compute.ephemeralStorage{known}."
    return Problem(Reason.EPHEMERAL_STORAGE_EXCEEDED, f"{quoted} {advice}")


def _node(pod: Manifest) -> str:
    name = (pod.get("spec") or {}).get("nodeName")
    return f"Node {name}" if name else "A node"


def _sentence(words: str) -> str:
    """Return words on one line, with a full stop."""
    return closed(" ".join(words.split()))
