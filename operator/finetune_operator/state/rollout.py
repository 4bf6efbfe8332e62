"""Serving, blue/green: the new run's Deployment grows beside the old one, and takes over when it is ready."""

from dataclasses import dataclass

from finetune_api.keys import ANNOTATION_DIGEST, Component, Phase, Reason
from finetune_api.status import ArtifactStatus, ServingStatus
from finetune_operator.desired.deployment import deployment, selector
from finetune_operator.desired.metadata import deployment_name
from finetune_operator.desired.resource import FineTuneJob
from finetune_operator.desired.service import address, served_run, service
from finetune_operator.kinds import DEPLOYMENT, Manifest
from finetune_operator.manifests import annotation_of, is_deleting, name_of
from finetune_operator.state import pods
from finetune_operator.state.admission import refusal_problem
from finetune_operator.state.drift import differs, stamped
from finetune_operator.state.observed import Observed
from finetune_operator.state.pending_reason import pod_problem
from finetune_operator.state.plan import Policy
from finetune_operator.state.story import Problem, Story, going_on, hindered, settled


@dataclass(frozen=True)
class Rollout:
    """What to do about serving, and how it stands. ready: the newest artifact is what answers."""

    applies: tuple[Manifest, ...] = ()
    deletes: tuple[Manifest, ...] = ()
    status: ServingStatus | None = None
    ready: bool = False
    problem: Problem | None = None


def plan_rollout(job: FineTuneJob, artifact: ArtifactStatus | None, observed: Observed, policy: Policy) -> Rollout:
    """Decide about the Deployments and the Service. A run that failed has no artifact, so it changes nothing here."""
    live = [found for found in observed.deployments if not is_deleting(found)]
    present = [observed.service] if observed.service and not is_deleting(observed.service) else []
    if not job.spec.serving.enabled:
        return Rollout(deletes=(*present, *live))
    if artifact is None:
        return Rollout()
    target = stamped(deployment(job, artifact, policy.trainer_image))
    green = observed.child(DEPLOYMENT, name_of(target))
    changed = green is None or differs(target, green)
    ready = green is not None and not changed and is_available(green, job.spec.serving.replicas)
    blue = [found for found in live if found is not green]
    run_id = artifact.run if ready or not blue else _answering(job, observed, blue, artifact.run)
    front = stamped(service(job, run_id))
    front_changed = observed.service is None or differs(front, observed.service)
    return Rollout(
        applies=(*([target] if changed else []), *([front] if front_changed else [])),
        deletes=tuple(blue) if ready else tuple(found for found in blue if name_of(found) != _name(job, run_id)),
        status=_status(job, run_id, observed, artifact),
        ready=ready,
        problem=None if ready else _problem(job, artifact, observed, green),
    )


def is_available(live: Manifest, replicas: int) -> bool:
    """Whether the Deployment's newest pods, as many as wanted, answer."""
    status = live.get("status") or {}
    seen = int(status.get("observedGeneration") or 0) >= int(live["metadata"].get("generation") or 0)
    counts = (int(status.get(field) or 0) for field in ("availableReplicas", "updatedReplicas"))
    return seen and all(count >= replicas for count in counts)


def serving_story(job: FineTuneJob, rollout: Rollout) -> Story:
    """Return the headline of a published job that is to be served."""
    if rollout.ready and job.spec.serving.replicas == 0:
        return settled(Phase.READY, Reason.SCALED_TO_ZERO, "Serving is scaled to 0 replicas.")
    if rollout.ready:
        return settled(Phase.READY, Reason.SERVING, f"Run {job.run_id} is served at {address(job)}.")
    if rollout.problem is not None:
        return hindered(Phase.DEPLOYING, rollout.problem)
    return going_on(Phase.DEPLOYING, Reason.DEPLOYING, "The serving pods are starting.")


def _name(job: FineTuneJob, run_id: str) -> str:
    return deployment_name(job, run_id)


def _answering(job: FineTuneJob, observed: Observed, blue: list[Manifest], newest: str) -> str:
    """Return the run that the Service points at, if its Deployment is still there; else the newest."""
    run_id = served_run(observed.service) if observed.service else ""
    return run_id if any(name_of(found) == _name(job, run_id) for found in blue) else newest


def _status(job: FineTuneJob, run_id: str, observed: Observed, artifact: ArtifactStatus) -> ServingStatus:
    live = observed.child(DEPLOYMENT, _name(job, run_id))
    digest = annotation_of(live, ANNOTATION_DIGEST) if live else artifact.digest
    counts = (live or {}).get("status") or {}
    return ServingStatus(
        url=address(job),
        run=run_id,
        digest=digest,
        replicas=int(counts.get("replicas") or 0),
        ready_replicas=int(counts.get("readyReplicas") or 0),
        selector=",".join(f"{key}={value}" for key, value in sorted(selector(job, run_id).items())),
    )


def _problem(job: FineTuneJob, artifact: ArtifactStatus, observed: Observed, green: Manifest | None) -> Problem | None:
    """Say why the serving pods of the newest artifact do not become ready."""
    own = [pod for pod in observed.pods(Component.SERVING) if _serves(pod, artifact)]
    for pod in sorted(own, key=name_of):
        found = pod_problem(pod, observed, job, job.spec.serving, "spec.serving")
        if found is not None:
            return Problem(Reason.SERVING_NOT_READY, f"{found.reason}: {found.message}")
    for condition in ((green or {}).get("status") or {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            found = refusal_problem(str(condition.get("message") or ""), "spec.serving")
            return Problem(Reason.SERVING_NOT_READY, f"{found.reason}: {found.message}")
    return None


def _serves(pod: Manifest, artifact: ArtifactStatus) -> bool:
    return annotation_of(pod, ANNOTATION_DIGEST) == artifact.digest and not pods.is_over(pod)
