"""Serving, blue/green: the new run's Deployment grows beside the old one, and takes over when it is ready."""

from dataclasses import dataclass

from finetune_api.keys import ANNOTATION_DIGEST, Phase, Reason
from finetune_api.spec.serving import ServingStrategy
from finetune_api.status import ArtifactStatus, FineTuneJobStatus, ServingStatus
from finetune_operator.desired.deployment import deployment, selector
from finetune_operator.desired.disruption_budget import disruption_budget
from finetune_operator.desired.metadata import deployment_name
from finetune_operator.desired.service import address, served_run, service
from finetune_operator.kinds import DEPLOYMENT, DISRUPTION_BUDGET, SERVICE, Manifest, kind_of
from finetune_operator.manifests import annotation_of, is_deleting, name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.children.drift import differs, is_applied, is_template_changed, stamped
from finetune_operator.state.observed import Observed
from finetune_operator.state.plan import Policy
from finetune_operator.state.serving.serving_problem import is_paused, resume_hint, serving_problem
from finetune_operator.state.status.history import to_serve
from finetune_operator.state.status.story import Problem, Story, going_on, hindered, settled


@dataclass(frozen=True)
class Rollout:
    """What to do about serving, and how it stands.

    run: whose model is to be served. ready: it is what answers. problem: why not, if that is known. meanwhile: what
    answers until then, in words. makes_room: the pods before have to go first. paused: how to resume its Deployment,
    which somebody has paused.
    """

    applies: tuple[Manifest, ...] = ()
    deletes: tuple[Manifest, ...] = ()
    status: ServingStatus | None = None
    run: str = ""
    ready: bool = False
    problem: Problem | None = None
    makes_room: bool = False
    meanwhile: str = ""
    paused: str = ""


def plan_rollout(
    job: FineTuneJob, previous: FineTuneJobStatus, artifact: ArtifactStatus | None, observed: Observed, policy: Policy
) -> Rollout:
    """Decide about the Deployments and the Service. A run that failed has no artifact, so it changes nothing here."""
    live = [found for found in observed.deployments if not is_deleting(found)]
    if not job.spec.serving.enabled:
        beside = (*observed.of_kind(SERVICE), *observed.of_kind(DISRUPTION_BUDGET))
        return Rollout(deletes=(*(found for found in beside if not is_deleting(found)), *live))
    artifact, unknown = to_serve(job, previous, artifact)
    if unknown is not None:
        return Rollout(status=previous.serving, problem=unknown)
    if artifact is None:
        return Rollout()
    target = stamped(deployment(job, artifact, policy.trainer_image))
    green = observed.child(DEPLOYMENT, name_of(target))
    ready = green is not None and _is_served(job, target, green)
    blue = [found for found in live if found is not green]
    run_id = artifact.run if ready or not blue else _answering(job, observed, blue, artifact.run)
    emptied = job.spec.serving.strategy is ServingStrategy.RECREATE
    makes_room = emptied and any(found is not green for found in observed.deployments)
    front, budget = stamped(service(job, run_id)), disruption_budget(job)
    wanted = [*([] if makes_room else [target]), front, *([stamped(budget)] if budget else [])]
    status = _status(job, run_id, observed, artifact, known=previous.serving)
    return Rollout(
        applies=tuple(child for child in wanted if _is_needed(child, observed)),
        deletes=(
            *(found for found in blue if ready or emptied or name_of(found) != _name(job, run_id)),
            *(found for found in observed.of_kind(DISRUPTION_BUDGET) if budget is None and not is_deleting(found)),
        ),
        status=status,
        run=artifact.run,
        ready=ready,
        problem=None if ready else serving_problem(job, artifact, observed, green),
        makes_room=makes_room,
        meanwhile=_meanwhile(status, artifact),
        paused=resume_hint(green) if green is not None and is_paused(green) else "",
    )


def serving_story(job: FineTuneJob, rollout: Rollout) -> Story:
    """Return the headline of a published job that is to be served."""
    if rollout.ready and job.spec.serving.replicas == 0:
        return settled(Phase.READY, Reason.SCALED_TO_ZERO, "Serving is scaled to 0 replicas.")
    if rollout.ready:
        paused = f" Its Deployment is paused, so no change reaches it: {rollout.paused}." if rollout.paused else ""
        pinned = f", as spec.serving.pinnedRun asks; run {job.run_id} is published" if rollout.run != job.run_id else ""
        return settled(Phase.READY, Reason.SERVING, f"Run {rollout.run} is served at {address(job)}{pinned}.{paused}")
    if rollout.problem is not None:
        message = f"{rollout.problem.message}{rollout.meanwhile}"
        return hindered(Phase.DEPLOYING, Problem(rollout.problem.reason, message))
    if rollout.makes_room:
        message = "The serving pods before are stopped first, as spec.serving.strategy asks."
        return going_on(Phase.DEPLOYING, Reason.DEPLOYING, message)
    return going_on(Phase.DEPLOYING, Reason.DEPLOYING, f"The serving pods are starting.{rollout.meanwhile}")


def unserved(job: FineTuneJob, rollout: Rollout) -> Problem | None:
    """Return why the newest model, beside which another run goes on, is not served; None when it is, or need not."""
    if not rollout.run or rollout.ready or not job.spec.serving.enabled:
        return None
    why = rollout.problem.message if rollout.problem else "not all of its pods are available"
    words = f"Run {rollout.run} is not served as it should be: {why.rstrip('.')}.{rollout.meanwhile}"
    return Problem(Reason.SERVING_NOT_READY, words)


def is_complete(live: Manifest) -> bool:
    """Whether all of the Deployment's pods are of its newest template, and answer. Counts of an older spec are none."""
    status = live.get("status") or {}
    seen = int(status.get("observedGeneration") or 0) >= int(live["metadata"].get("generation") or 0)
    counts = (int(status.get(field) or 0) for field in ("replicas", "updatedReplicas", "availableReplicas"))
    return seen and all(count == _replicas(live) for count in counts)


def _is_served(job: FineTuneJob, target: Manifest, green: Manifest) -> bool:
    """Whether the Deployment was made from what is wanted, nobody changed its pods, and they answer."""
    intact = is_applied(target, green) and not is_template_changed(target, green) and not is_deleting(green)
    answers = _replicas(green) > 0 or job.spec.serving.replicas == 0
    return intact and answers and is_complete(green)


def _is_needed(child: Manifest, observed: Observed) -> bool:
    found = observed.child(kind_of(child), name_of(child))
    return found is None or differs(child, found)


def _replicas(live: Manifest) -> int:
    count = (live.get("spec") or {}).get("replicas")
    return 1 if count is None else int(count)


def _name(job: FineTuneJob, run_id: str) -> str:
    return deployment_name(job, run_id)


def _answering(job: FineTuneJob, observed: Observed, blue: list[Manifest], newest: str) -> str:
    """Return the run that the Service points at, if its Deployment is still there; else the newest."""
    run_id = served_run(observed.service) if observed.service else ""
    return run_id if any(name_of(found) == _name(job, run_id) for found in blue) else newest


def _status(
    job: FineTuneJob, run_id: str, observed: Observed, artifact: ArtifactStatus, *, known: ServingStatus | None
) -> ServingStatus:
    live = observed.child(DEPLOYMENT, _name(job, run_id))
    digest = annotation_of(live, ANNOTATION_DIGEST) if live else artifact.digest
    counts = (live or {}).get("status") or {}
    answers = int(counts.get("availableReplicas") or 0) > 0
    return ServingStatus(
        # An address is told once something has answered there; it is the same for every run.
        url=address(job) if answers or (known and known.url) else None,
        run=run_id,
        digest=digest,
        replicas=int(counts.get("replicas") or 0),
        ready_replicas=int(counts.get("readyReplicas") or 0),
        selector=",".join(f"{key}={value}" for key, value in sorted(selector(job, run_id).items())),
    )


def _meanwhile(status: ServingStatus, artifact: ArtifactStatus) -> str:
    """Say what answers while the newest pods do not; nothing where nothing ever has."""
    if not status.url:
        return ""
    if not status.ready_replicas:
        return " Nothing answers meanwhile."
    return " Other pods of it still answer." if status.run == artifact.run else f" Run {status.run} still answers."
