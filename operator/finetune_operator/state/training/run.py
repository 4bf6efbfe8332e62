"""Where the run that the spec asks for stands, and what has to be stopped for it: the supersede decision.

At most one training Job works for a FineTuneJob at any time, and never do pods of two runs.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from finetune_api.failures import FailureClass
from finetune_api.handoff import TerminationReport
from finetune_api.keys import ANNOTATION_LAUNCH, LABEL_JOB_UID, LABEL_RUN, Component, ConditionType, Phase, Reason
from finetune_api.status import ArtifactStatus, ConditionStatus, FineTuneJobStatus
from finetune_operator.kinds import CLAIM, JOB, Manifest
from finetune_operator.manifests import annotation_of, controller_of, is_deleting, label_of, name_of, uid_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed, condition, of_kind
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.attempts import attempts, is_last
from finetune_operator.state.pods.lingering import Lingering, lingering
from finetune_operator.state.status.history import published_before
from finetune_operator.state.status.story import Problem
from finetune_operator.state.training.active_time import NO_WORK, ActiveTime, active_time
from finetune_operator.state.training.deadline import has_more_time, is_overruled
from finetune_operator.state.training.job_outcome import has_paused, is_spent, outcome, was_turned_away
from finetune_operator.state.training.published import is_published
from finetune_operator.state.training.recorded import is_judged, launched_as, recorded_artifact, recorded_evaluation


class RunState(Enum):
    """Where a run stands."""

    DONE = auto()
    FAILED = auto()
    STOPPING = auto()
    SUSPENDED = auto()
    WAITING = auto()
    BARRED = auto()
    LAUNCHING = auto()
    ACTIVE = auto()


@dataclass(frozen=True)
class Run:
    """The run that the spec asks for.

    job: its training Job, live or (when it ended) gone. pods: the Job's, oldest first. stop: what to delete.
    blockers: names of what must be gone before the run's Job may be created. lost_job: uid of a Job that completed
    without a last word, in whose place the run is launched again. lingering: a pod that outlives its trainer.
    active: the work of its trainers that have ended. is_spent: it has failed by our count, while its Job would go on.
    """

    state: RunState
    job: Manifest | None = None
    pods: tuple[Manifest, ...] = ()
    stop: tuple[Manifest, ...] = ()
    blockers: tuple[str, ...] = ()
    artifact: ArtifactStatus | None = None
    report: TerminationReport | None = None
    lost_job: str = ""
    lingering: Lingering | None = None
    active: ActiveTime = NO_WORK
    is_spent: bool = False

    @property
    def attempts(self) -> int:
        """Count of its pods that failed and were counted."""
        return attempts(self.job, self.pods)

    @property
    def pod(self) -> Manifest | None:
        """The newest pod."""
        return pods.newest(self.pods)


def assess(job: FineTuneJob, previous: FineTuneJobStatus, observed: Observed) -> Run:
    """Decide where the run stands."""
    current = _current(job, previous, observed)
    own_pods = _pods(current, observed) if current is not None else _orphans(job, observed)
    report = _report(job, own_pods)
    fresh = _artifact(job, previous, own_pods)
    artifact = fresh or _known_artifact(job, previous)
    done = fresh is not None or _is_done(job, previous, artifact)
    lost_job = "" if done or current is None else _lost(job, previous, current)
    if lost_job:
        current, own_pods, report = None, (), None
    if current is None and done:
        report = _report(job, _pods(_kept(job, observed), observed))
    others = _others(job, observed, current, artifact, done=done)
    blockers = _blockers(observed, others, current)
    state = _state(job, previous, current, own_pods, done=done, blocked=bool(blockers))
    run = Run(state, current, own_pods, (), blockers, artifact, report, lost_job, lingering(own_pods, observed.now))
    stop = [other for other in others if not is_deleting(other)]
    stop += _superfluous(job, previous, run, observed.now)
    spent = state is RunState.FAILED and current is not None and is_spent(job, current, own_pods)
    return replace(run, stop=tuple(stop), active=active_time(job, previous, observed), is_spent=spent)


def _state(
    job: FineTuneJob,
    previous: FineTuneJobStatus,
    current: Manifest | None,
    own_pods: tuple[Manifest, ...],
    *,
    done: bool,
    blocked: bool,
) -> RunState:
    if done:
        return RunState.DONE
    if current is not None:
        return _state_of_job(job, previous, current, own_pods)
    if recorded_failure(job, previous) or any(pods.has_failed_for_good(pod) for pod in own_pods):
        return RunState.FAILED
    if blocked:
        return RunState.STOPPING
    if job.spec.suspend:
        return RunState.SUSPENDED
    return RunState.LAUNCHING if job.is_resolved else RunState.WAITING


def _state_of_job(
    job: FineTuneJob, previous: FineTuneJobStatus, current: Manifest, own_pods: tuple[Manifest, ...]
) -> RunState:
    """Return the state of a run that has a Job and no result. After its last pod, the Job takes its time to fail."""
    if outcome(current):
        goes = is_deleting(current) and previous.reason == Reason.POD_REJECTED
        return RunState.STOPPING if goes or was_turned_away(job, current, own_pods) else RunState.FAILED
    if is_deleting(current):
        return RunState.STOPPING
    newest = pods.newest(own_pods)
    over = newest is not None and is_last(newest, attempts(current, own_pods), job.spec.max_retries)
    return RunState.FAILED if over else RunState.ACTIVE


def _superfluous(job: FineTuneJob, previous: FineTuneJobStatus, run: Run, now: datetime) -> list[Manifest]:
    """Return what of the run itself has to go: a Job that is to be made again, or what would run for ever.

    A Job goes only when the status tells of its end, since its pods' last words go with it.
    """
    if run.job is None or is_deleting(run.job):
        return []
    if run.state is RunState.STOPPING:
        told = previous.reason == Reason.POD_REJECTED
        return [run.job] if told and outcome(run.job) and has_paused(run.job, now) else []
    overdue = run.lingering is not None and run.lingering.overdue
    if run.state is RunState.DONE and _has_succeeded(job, previous) and outcome(run.job) is None:
        # Where another container failed, the Job takes its pod for failed, and would make the next one.
        unseen = any(pods.has_succeeded(pod) and pods.phase_of(pod) == "Failed" for pod in run.pods)
        return [run.job] if unseen or overdue else []
    if run.lingering is not None and overdue and pods.has_failed(run.lingering.pod):
        return [run.lingering.pod]
    return []


def _is_done(job: FineTuneJob, previous: FineTuneJobStatus, artifact: ArtifactStatus | None) -> bool:
    is_recorded = previous.run is not None and previous.run.id == job.run_id
    if is_recorded and artifact is not None and artifact.run == job.run_id and not is_judged(job, artifact):
        return False
    return _has_succeeded(job, previous) or (artifact is not None and is_published(job, artifact))


def run_of(training_job: Manifest) -> str:
    """Return the id of the run that a Job trains, from its template: that, unlike its labels, nobody can change."""
    return label_of(_template(training_job), LABEL_RUN)


def _template(training_job: Manifest) -> Manifest:
    """Return the head of the Job's pods."""
    template = (training_job.get("spec") or {}).get("template") or {}
    return {"metadata": template.get("metadata") or {}}


def _is_recorded_end(job: FineTuneJob, previous: FineTuneJobStatus) -> bool:
    return previous.run is not None and previous.run.finished_at is not None and launched_as(job, previous)


def _has_succeeded(job: FineTuneJob, previous: FineTuneJobStatus) -> bool:
    told = condition(previous, ConditionType.SUCCEEDED)
    return told is not None and told.status == ConditionStatus.TRUE and _is_recorded_end(job, previous)


def recorded_failure(job: FineTuneJob, previous: FineTuneJobStatus) -> Problem | None:
    """Return why this very launch failed, as the status tells it; None unless it says so, in words that still hold."""
    if not _is_recorded_end(job, previous):
        return None
    told = condition(previous, ConditionType.SUCCEEDED)
    if told is not None:
        stands = told.status == ConditionStatus.FALSE and not is_overruled(job, told)
        return Problem(told.reason, told.message) if stands else None
    # The condition is not readable, or somebody took it away: the summary of it is left.
    failed = previous.phase == Phase.FAILED
    return Problem(previous.reason or FailureClass.BUG, previous.message or "") if failed else None


def _is_current(job: FineTuneJob, training_job: Manifest) -> bool:
    is_run = run_of(training_job) == job.run_id
    is_launch = annotation_of(_template(training_job), ANNOTATION_LAUNCH) == job.launch
    return is_run and is_launch and not has_more_time(job, training_job)


def _current(job: FineTuneJob, previous: FineTuneJobStatus, observed: Observed) -> Manifest | None:
    """Return the run's Job; one that is gone counts if it had ended, so that it is not made again.

    It does not if it ended since nodes turned its pods away: then it went so that it can be made again.
    """
    live = [found for found in observed.jobs if _is_current(job, found)]
    gone = [found for found in of_kind(JOB, observed.departed) if _is_current(job, found) and outcome(found)]
    return next(iter((*live, *(gone if previous.reason != Reason.POD_REJECTED else ()))), None)


def _kept(job: FineTuneJob, observed: Observed) -> Manifest | None:
    """Return an ended Job of the run that was launched with other means (memory, destination)."""
    return next((found for found in observed.jobs if run_of(found) == job.run_id), None)


def _lost(job: FineTuneJob, previous: FineTuneJobStatus, training_job: Manifest) -> str:
    """Return the uid of a Job that completed without a last word, if it is the first such one of its launch."""
    if outcome(training_job) != "Complete" or recorded_failure(job, previous):
        return ""
    lost_before = previous.run.lost_job if previous.run and launched_as(job, previous) else None
    return uid_of(training_job) if lost_before in (None, uid_of(training_job)) else ""


def _pods(training_job: Manifest | None, observed: Observed) -> tuple[Manifest, ...]:
    return tuple(pods.pods_of(training_job, observed.training_pods)) if training_job is not None else ()


def _orphans(job: FineTuneJob, observed: Observed) -> tuple[Manifest, ...]:
    """Return the pods of this launch whose Job is gone: they may have the last word that it left."""
    jobs = {uid_of(found) for found in observed.jobs}
    return tuple(
        pod
        for pod in observed.training_pods
        if label_of(pod, LABEL_JOB_UID) == job.uid
        and label_of(pod, LABEL_RUN) == job.run_id
        and annotation_of(pod, ANNOTATION_LAUNCH) == job.launch
        and (controller_of(pod) or {}).get("uid") not in jobs
    )


def is_told(training_job: Manifest, previous: FineTuneJobStatus) -> bool:
    """Whether the status already tells how this Job ended, so that nothing is lost when it goes."""
    if not outcome(training_job):
        return False
    run_id, launch = run_of(training_job), annotation_of(_template(training_job), ANNOTATION_LAUNCH)
    run, artifact = previous.run, previous.artifact
    if run is not None and (run.id, run.launch) == (run_id, launch):
        return run.finished_at is not None
    return artifact is not None and artifact.run == run_id


def _report(job: FineTuneJob, own_pods: tuple[Manifest, ...]) -> TerminationReport | None:
    """Return the last word of the pod that succeeded, else of the newest that ended."""
    ended = [pod for pod in own_pods if pods.ended(pod)]
    best = pods.newest(pod for pod in ended if pods.has_succeeded(pod)) or pods.newest(ended)
    return pods.last_word(best, job.run_id) if best else None


def _artifact(job: FineTuneJob, previous: FineTuneJobStatus, own_pods: tuple[Manifest, ...]) -> ArtifactStatus | None:
    """Return what a pod that succeeded has published."""
    for pod in own_pods:
        report = pods.last_word(pod, job.run_id) if pods.has_succeeded(pod) else None
        if report and report.artifact:
            published = report.artifact
            return ArtifactStatus(
                run=job.run_id,
                uri=published.uri,
                digest=published.digest,
                size_bytes=published.size_bytes,
                base_revision=published.base_revision,
                evaluation=recorded_evaluation(job, previous),
            )
    return None


def _known_artifact(job: FineTuneJob, previous: FineTuneJobStatus) -> ArtifactStatus | None:
    """Return what this run published, however many runs ago; else what the newest run that has anything did."""
    newest, before = recorded_artifact(job, previous), published_before(job, previous)
    if before is None or _has_succeeded(job, previous) or (newest is not None and is_published(job, newest)):
        return newest
    return before.artifact


def _others(
    job: FineTuneJob,
    observed: Observed,
    current: Manifest | None,
    artifact: ArtifactStatus | None,
    *,
    done: bool,
) -> list[Manifest]:
    """Return Jobs that are not wanted. The ended Job of the published run stays: its pod holds the report."""
    kept_run = artifact.run if artifact else None

    def stays(other: Manifest) -> bool:
        own = pods.pods_of(other, observed.pods(Component.TRAINING))
        has_ended = outcome(other) is not None or (bool(own) and all(pods.is_over(pod) for pod in own))
        return has_ended and run_of(other) == kept_run and (done or kept_run != job.run_id)

    return [other for other in observed.jobs if other is not current and not stays(other)]


def _blockers(observed: Observed, others: list[Manifest], current: Manifest | None) -> tuple[str, ...]:
    """Name what a new Job has to wait for: unwanted Jobs, pods that may still work, a claim that is being deleted."""
    training_pods = observed.pods(Component.TRAINING)
    own = pods.pods_of(current, training_pods) if current is not None else []
    working = [pod for pod in training_pods if not pods.is_over(pod) and pod not in own]
    going = [claim for claim in observed.of_kind(CLAIM) if is_deleting(claim)]
    return tuple(sorted(f"{found['kind']} {name_of(found)}" for found in (*others, *working, *going)))
