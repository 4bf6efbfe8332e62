"""Why the newest model is not served as it should be, in words that say what to do."""

from finetune_api.keys import ANNOTATION_DIGEST, Component, Reason
from finetune_api.status import ArtifactStatus
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import annotation_of, is_deleting, name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.children.admission import refusal_problem
from finetune_operator.state.observed import Observed
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.lost_node import lost_node
from finetune_operator.state.pods.pending_reason import pod_problem
from finetune_operator.state.status.story import Problem

OUT_OF_MEMORY = "OOMKilled"
SIGKILL = 137
LAST_WORDS = 600
BLOCK = "spec.serving"


def serving_problem(
    job: FineTuneJob, artifact: ArtifactStatus, observed: Observed, deployment: Manifest | None
) -> Problem | None:
    """Say what keeps the pods of an artifact's Deployment from answering; None when nothing is known to."""
    found = _paused(deployment) or _pods_problem(job, artifact, observed) or _deployment_problem(deployment)
    return Problem(Reason.SERVING_NOT_READY, f"{found.reason}: {found.message}") if found else None


def is_paused(deployment: Manifest | None) -> bool:
    """Whether somebody has paused the Deployment's rollouts."""
    return bool(((deployment or {}).get("spec") or {}).get("paused"))


def resume_hint(deployment: Manifest) -> str:
    """Say how to resume a paused Deployment."""
    return f"kubectl rollout resume deployment/{name_of(deployment)}"


def _paused(deployment: Manifest | None) -> Problem | None:
    if deployment is None or not is_paused(deployment):
        return None
    message = f"somebody has paused Deployment {name_of(deployment)}. See: {resume_hint(deployment)}."
    return Problem("Paused", message)


def _pods_problem(job: FineTuneJob, artifact: ArtifactStatus, observed: Observed) -> Problem | None:
    """Explain the newest pod that has a problem, of those of the newest template: the others are replaced anyway.

    Where none is left but such as should have ended, those are what the next ones wait for.
    """
    own = [pod for pod in observed.pods(Component.SERVING) if _serves(pod, artifact)]
    age = sorted(own, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), name_of(pod)), reverse=True)
    for pod in (pod for pod in age if _template(pod) == _template(age[0])):
        found = lost_node(pod, observed.now) or _crash(job, pod)
        found = found or pod_problem(pod, observed, job, job.spec.serving, BLOCK)
        if found is not None:
            return found
    ending = [] if own else observed.pods(Component.SERVING)
    return next((found for pod in ending if (found := lost_node(pod, observed.now))), None)


def _template(pod: Manifest) -> str | None:
    return (pod["metadata"].get("labels") or {}).get("pod-template-hash")


def _serves(pod: Manifest, artifact: ArtifactStatus) -> bool:
    works = not pods.is_over(pod) and not is_deleting(pod)
    return works and annotation_of(pod, ANNOTATION_DIGEST) == artifact.digest


def _crash(job: FineTuneJob, pod: Manifest) -> Problem | None:
    """Say how a container ended that should run; between two crashes it runs for a moment, which changes nothing."""
    for status in pods.container_statuses(pod):
        now = (status.get("state") or {}).get("terminated")
        end = now or (status.get("lastState") or {}).get("terminated")
        if status.get("ready") or not end or (now and now.get("exitCode") == 0):
            continue
        return Problem(Reason.CONTAINER_NOT_STARTING, _crash_message(job, pod, str(status["name"]), end))
    return None


def _crash_message(job: FineTuneJob, pod: Manifest, container: str, end: Manifest) -> str:
    about = f"container {container} of pod {name_of(pod)}"
    ours = container in pods.OWN_CONTAINERS
    advice = f"{BLOCK}.memory is {job.spec.serving.memory}. Raise it." if ours else "Raise its limit where it is added."
    if end.get("reason") == OUT_OF_MEMORY:
        return f"{about} ran out of memory: {advice}"
    words = " ".join(str(end.get("message") or "").split())[-LAST_WORDS:].rstrip(".")
    logs = f"See: kubectl logs {name_of(pod)} -c {container} --previous"
    if not words and end.get("exitCode") == SIGKILL:
        return f"{about} was killed, most likely for want of memory: {advice} {logs}"
    last = words or f"exit code {end.get('exitCode')}"
    return f"{about} crashes again and again: {last}. {logs}"


def _deployment_problem(deployment: Manifest | None) -> Problem | None:
    conditions = ((deployment or {}).get("status") or {}).get("conditions") or ()
    told = {found.get("type"): found for found in conditions}
    refused = told.get("ReplicaFailure") or {}
    if refused.get("status") == "True":
        return refusal_problem(str(refused.get("message") or ""), BLOCK)
    slow = told.get("Progressing") or {}
    if slow.get("reason") == "ProgressDeadlineExceeded":
        return Problem("ProgressDeadlineExceeded", f"{slow.get('message')}")
    return None
