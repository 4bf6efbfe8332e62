"""Reading pods: how far they are, how they ended, and what they said last."""

import json
from collections.abc import Iterable

from finetune_api.failures import EXIT_CODE_OF, TERMINAL, FailureClass
from finetune_api.handoff import TerminationReport
from finetune_api.reading import readable
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import controller_of, is_deleting, name_of, uid_of
from finetune_operator.resource.containers import FETCH, SERVER, TRAINER

OWN_CONTAINERS = (TRAINER, SERVER, FETCH)
"""Those that we put into pods; others are injected."""


def newest(pods: Iterable[Manifest]) -> Manifest | None:
    """Return the pod that was created last."""
    return max(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), name_of(pod)), default=None)


def pods_of(job: Manifest, pods: Iterable[Manifest]) -> list[Manifest]:
    """Return the pods that this Job made."""
    return [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid_of(job)]


def phase_of(pod: Manifest) -> str:
    """Return status.phase."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_over(pod: Manifest) -> bool:
    """Whether no container of the pod runs, or ever will."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_scheduled(pod: Manifest) -> bool:
    """Whether the pod has a node."""
    return bool((pod.get("spec") or {}).get("nodeName"))


def is_running(pod: Manifest) -> bool:
    """Whether the trainer works right now."""
    return phase_of(pod) == "Running" and not is_deleting(pod) and ended(pod) is None


def container_statuses(pod: Manifest) -> list[Manifest]:
    """Return the states of all containers, in the order in which they start."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def trainer_status(pod: Manifest) -> Manifest:
    """Return the state of the trainer's container."""
    return next((status for status in container_statuses(pod) if status.get("name") == TRAINER), {})


def ended(pod: Manifest) -> Manifest | None:
    """Return how the trainer's container ended (exit code, reason, message), None while it has not."""
    return (trainer_status(pod).get("state") or {}).get("terminated")


def has_succeeded(pod: Manifest) -> bool:
    """Whether the trainer ended with exit code 0."""
    end = ended(pod)
    return end is not None and end.get("exitCode") == 0


def has_failed(pod: Manifest) -> bool:
    """Whether the trainer ended otherwise, or the pod before it did; what becomes of other containers is no matter."""
    end = ended(pod)
    return end.get("exitCode") != 0 if end is not None else phase_of(pod) == "Failed"


def has_begun(pod: Manifest) -> bool:
    """Whether any container of the pod has ever run."""
    states = (status.get("state") or {} for status in container_statuses(pod))
    return any("running" in state or "terminated" in state for state in states)


def failed_container(pod: Manifest) -> Manifest | None:
    """Return the state of the first container beside the trainer that ended with an error, such as an injected one."""
    for status in container_statuses(pod):
        end = (status.get("state") or {}).get("terminated") or {}
        if status.get("name") != TRAINER and end.get("exitCode", 0) != 0:
            return status
    return None


def outliving(pod: Manifest) -> list[str]:
    """Return the containers that still run although the trainer has ended, and that no one will end.

    Native sidecars (init containers that are restarted always) are ended by the kubelet.
    """
    if phase_of(pod) != "Running" or is_deleting(pod) or ended(pod) is None:
        return []
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return [str(status["name"]) for status in statuses if "running" in (status.get("state") or {})]


def condition_of(pod: Manifest, kind: str) -> Manifest | None:
    """Return the pod's condition of a type."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((found for found in conditions if found.get("type") == kind), None)


def is_disrupted(pod: Manifest) -> bool:
    """Whether the pod carries the condition by which a podFailurePolicy tells disruptions."""
    return (condition_of(pod, "DisruptionTarget") or {}).get("status") == "True"


def class_of(exit_code: int | None) -> FailureClass | None:
    """Return the class of failure that an exit code of the trainer stands for."""
    return next((failure for failure, code in EXIT_CODE_OF.items() if code == exit_code), None)


def has_failed_for_good(pod: Manifest) -> bool:
    """Whether the pod ended in a way that no retry can mend."""
    return class_of((ended(pod) or {}).get("exitCode")) in TERMINAL


def last_word(pod: Manifest, run_id: str) -> TerminationReport | None:
    """Return the trainer's termination message, None when it left none about this run."""
    message = (ended(pod) or {}).get("message")
    if not message:
        return None
    try:
        report = readable(TerminationReport, json.loads(message))
    except ValueError:
        return None
    return report if report and report.run_id == run_id else None
