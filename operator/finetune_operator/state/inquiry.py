"""Whose Events are worth reading: the watches show that something does not get on, only Events say why."""

from finetune_api.keys import Component
from finetune_operator.kinds import CLAIM, POD, Manifest
from finetune_operator.manifests import is_deleting
from finetune_operator.state.observed import Observed
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.scheduling import UNBOUND, gated, verdict_of
from finetune_operator.state.training.job_outcome import outcome


def inquiries(observed: Observed) -> list[Manifest]:
    """Return the Jobs without a pod, the pods that do not start, and the claims that those wait for."""
    waiting_jobs = [job for job in observed.jobs if _waits_for_pod(job, observed)]
    waiting_pods = [
        pod
        for component in Component
        for pod in observed.pods(component)
        if pods.phase_of(pod) == "Pending" and not is_deleting(pod)
    ]
    silent = [pod for pod in waiting_pods if pods.is_scheduled(pod)]
    claims = [claim for claim in observed.of_kind(CLAIM) if (claim.get("status") or {}).get("phase") == "Pending"]
    return [*waiting_jobs, *silent, *(claims if any(map(_may_wait_for_claim, waiting_pods)) else ())]


def is_silent(observed: Observed) -> bool:
    """Whether a pod waits for what no watch tells: a scheduler that says nothing, a node that confirms no end."""
    training = observed.pods(Component.TRAINING)
    waiting = [pod for pod in training if pods.phase_of(pod) == "Pending" and not pods.is_scheduled(pod)]
    ending = any(is_deleting(pod) for pod in observed.of_kind(POD))
    return ending or any(verdict_of(pod) is None and gated(pod) is None for pod in waiting)


def _may_wait_for_claim(pod: Manifest) -> bool:
    """Whether the pod has no node yet, and the scheduler no other cause: otherwise no claim can tell more."""
    verdict = verdict_of(pod)
    return not pods.is_scheduled(pod) and (verdict is None or UNBOUND in verdict)


def _waits_for_pod(job: Manifest, observed: Observed) -> bool:
    if is_deleting(job) or outcome(job) or (job.get("spec") or {}).get("suspend"):
        return False
    own = pods.pods_of(job, observed.pods(Component.TRAINING))
    return all(pods.is_over(pod) for pod in own)
