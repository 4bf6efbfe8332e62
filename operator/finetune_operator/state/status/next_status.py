"""Puts the next status together, and tells whether it means something else than the present one."""

from datetime import datetime

from finetune_api.handoff import Progress, Stage
from finetune_api.keys import ConditionType
from finetune_api.status import (
    ConditionStatus,
    FineTuneJobStatus,
    MetricsStatus,
    ProgressStatus,
    RunStatus,
)
from finetune_operator.desired.metadata import workspace_name
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed, condition, previous_status
from finetune_operator.state.pods import pods
from finetune_operator.state.serving.rollout import Rollout, unserved
from finetune_operator.state.status.conditions import Milestones, conditions, fitting
from finetune_operator.state.status.history import known_of_run, next_history
from finetune_operator.state.status.keeping import keeping
from finetune_operator.state.status.progress import at_rest, metrics_status, progress_status, score, staged, warnings
from finetune_operator.state.status.story import Problem, Story
from finetune_operator.state.training.published import is_published
from finetune_operator.state.training.recorded import launched_as, recorded_evaluation
from finetune_operator.state.training.run import Run, RunState

_STAGES: list[str] = list(Stage)


def newest_progress(job: FineTuneJob, run: Run, observed: Observed) -> Progress | None:
    """Return what the run's newest pod said last, if it is of this run."""
    said = run.report.progress if run.report and run.report.progress else None
    if said is None and run.pod is not None and observed.progress_pod_uid == run.pod["metadata"]["uid"]:
        said = observed.progress
    return said if said is not None and said.run_id == job.run_id else None


def next_progress(
    job: FineTuneJob, previous: FineTuneJobStatus, run: Run, progress: Progress | None
) -> ProgressStatus | None:
    """Return the progress for the status: the newest, else what is known of this run; an ETA only while it trains."""
    known = known_of_run(job, previous).progress
    shown = progress_status(progress, known) if progress is not None else known
    works = run.state is RunState.ACTIVE and run.pod is not None and pods.is_running(run.pod) and not job.spec.suspend
    return shown if works else at_rest(shown)


def compose(
    job: FineTuneJob,
    previous: FineTuneJobStatus,
    run: Run,
    *,
    rollout: Rollout,
    story: Story,
    progress: Progress | None,
    failure: Problem | None,
    now: datetime,
) -> FineTuneJobStatus:
    """Return the whole next status."""
    known = known_of_run(job, previous)
    shown = staged(next_progress(job, previous, run, progress), known.progress, now)
    figures = run.report.metrics if run.report else progress.metrics if progress else None
    metrics = metrics_status(figures, known.metrics, is_last_word=run.report is not None)
    milestones = _milestones(
        job,
        known,
        run,
        rollout=rollout,
        progress=shown,
        metrics=metrics,
        failure=failure,
    )
    value = score(job.spec.options, metrics) or known.score
    status = FineTuneJobStatus(
        observed_generation=job.generation,
        phase=story.phase,
        last_phase_transition_time=phase_since(story, previous, now),
        message=fitting(story.whole),
        reason=story.reason,
        conditions=conditions(story, milestones, previous, job.generation, now),
        workspace=workspace_name(job) if run.state is RunState.LAUNCHING or run.job else previous.workspace,
        run=_run_status(job, previous, run, progress, now) if job.is_resolved else None,
        sources=list(job.sources) or None,
        progress=shown,
        metrics=metrics,
        warnings=warnings(progress, known.warnings),
        tracking=(progress.tracking if progress else None) or known.tracking,
        score=value,
        score_metric=job.spec.options.score_metric if value else None,
        artifact=run.artifact,
        serving=rollout.status,
    )
    history = next_history(previous, status, now, is_done=run.state is RunState.DONE)
    return status.model_copy(update={"history": history})


def changed(next_status: FineTuneJobStatus, resource: Manifest) -> Manifest | None:
    """Return the next status as data, None when it means what the resource already says.

    What the resource says beyond this release's vocabulary stays as it is.
    """
    live = resource.get("status") or {}
    wire = keeping(live, previous_status(resource).to_wire(), next_status.to_wire())
    return None if wire == live else wire


def phase_since(story: Story, previous: FineTuneJobStatus, now: datetime) -> str | None:
    """Return since when it is in the story's phase; None where an earlier release has not noted it."""
    return previous.last_phase_transition_time if story.phase == previous.phase else timestamp(now)


def _pod_started_at(run: Run, known: RunStatus | None) -> str | None:
    """Return when the trainer of the run's first pod began to work. What an earlier release saw end stays untold."""
    if known is not None and (known.pod_started_at or known.finished_at):
        return known.pod_started_at
    states = (pods.trainer_status(pod).get("state") or {} for pod in run.pods)
    starts = [(state.get("running") or state.get("terminated") or {}).get("startedAt") for state in states]
    return min((start for start in starts if start), default=None)


def _run_status(
    job: FineTuneJob, previous: FineTuneJobStatus, run: Run, progress: Progress | None, now: datetime
) -> RunStatus:
    known = previous.run if previous.run and launched_as(job, previous) else None
    over = run.state in (RunState.DONE, RunState.FAILED)
    started = known.started_at if known else None
    if started is None and run.job is not None:
        started = run.job["metadata"].get("creationTimestamp")
    elif started is None and run.state is RunState.LAUNCHING:
        started = timestamp(now)
    resumed = progress.resumed_from_step if progress else None
    return RunStatus(
        id=job.run_id,
        launch=job.launch,
        inputs=job.identity.run if job.identity.run != job.run_id else None,
        launch_inputs=job.identity.launch if job.identity.launch != job.launch else None,
        evaluation=recorded_evaluation(job, previous) if run.job is not None else job.identity.evaluation,
        attempt=max(run.attempts, known.attempt if known and run.job is None else 0),
        started_at=started,
        pod_started_at=_pod_started_at(run, known),
        finished_at=(known.finished_at if known and known.finished_at else timestamp(now)) if over else None,
        resumed_from_step=resumed if resumed is not None else known.resumed_from_step if known else None,
        active_seconds=run.active.seconds if run.active.until else None,
        active_until=timestamp(run.active.until) if run.active.until else None,
        lost_job=run.lost_job or (known.lost_job if known else None),
    )


def _milestones(
    job: FineTuneJob,
    known: FineTuneJobStatus,
    run: Run,
    *,
    rollout: Rollout,
    progress: ProgressStatus | None,
    metrics: MetricsStatus | None,
    failure: Problem | None,
) -> Milestones:
    """Say what is behind the run. known: the status, if it is of the same run; a milestone once reached stays."""
    done = run.state is RunState.DONE
    pod_succeeded = run.pod is not None and pods.has_succeeded(run.pod)
    stage = _STAGES.index(progress.stage) if progress and progress.stage in _STAGES else -1
    trained = done or pod_succeeded or stage > _STAGES.index(Stage.TRAIN)
    evaluated = done or pod_succeeded or stage > _STAGES.index(Stage.EVALUATE)
    value = score(job.spec.options, metrics)
    where = f" to {run.artifact.uri}" if run.artifact else ""
    # It stays published while it is judged again.
    is_there = done or (run.artifact is not None and is_published(job, run.artifact))
    published = f"Published{where}." if is_there else None
    succeeded = published if done else None
    return Milestones(
        trained=_once(known, ConditionType.TRAINED, reached=trained, words=f"Run {job.run_id} is trained."),
        evaluated=_once(
            known, ConditionType.EVALUATED, reached=evaluated, words=f"Score: {value}." if value else "Evaluated."
        ),
        published=published,
        succeeded=succeeded,
        ready=_ready(job, rollout, succeeded),
        unserved=unserved(job, rollout),
        failure=failure,
    )


def _ready(job: FineTuneJob, rollout: Rollout, published: str | None) -> str | None:
    if not job.spec.serving.enabled:
        return published
    if rollout.ready and not job.spec.serving.replicas:
        return "Serving is scaled to 0 replicas."
    return f"Run {rollout.run} is served." if rollout.ready else None


def _once(known: FineTuneJobStatus, kind: ConditionType, *, reached: bool, words: str) -> str | None:
    told = condition(known, kind)
    return words if reached or (told is not None and told.status == ConditionStatus.TRUE) else None
