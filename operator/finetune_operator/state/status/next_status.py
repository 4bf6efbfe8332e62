"""Puts the next status together."""

from finetune_api.handoff import Stage
from finetune_api.keys import ConditionType
from finetune_api.status import (
    ConditionStatus,
    FineTuneJobStatus,
    ProgressStatus,
    RunStatus,
)
from finetune_operator.desired.metadata import workspace_name
from finetune_operator.manifests import timestamp
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import condition
from finetune_operator.state.pods import pods
from finetune_operator.state.serving.rollout import Rollout, unserved
from finetune_operator.state.situation import Situation
from finetune_operator.state.status.conditions import Milestones, conditions, fitting, phase_since
from finetune_operator.state.status.history import next_history
from finetune_operator.state.status.progress import metrics_status, score, staged, warnings
from finetune_operator.state.status.story import Story
from finetune_operator.state.training.published import is_published
from finetune_operator.state.training.recorded import launched_as, recorded_evaluation
from finetune_operator.state.training.run import Run, RunState

_STAGES: list[str] = list(Stage)


def compose(situation: Situation, story: Story) -> FineTuneJobStatus:
    """Return the whole next status."""
    job, previous, known, run = situation.job, situation.previous, situation.known, situation.run
    progress, said = staged(situation.progress, known.progress, situation.now), situation.said
    figures = run.report.metrics if run.report else said.metrics if said else None
    metrics = metrics_status(figures, known.metrics, is_last_word=run.report is not None)
    value = score(job.spec.options, metrics)
    told_score = value or known.score
    milestones = _milestones(situation, progress, value)
    status = FineTuneJobStatus(
        observed_generation=job.generation,
        phase=story.phase,
        last_phase_transition_time=phase_since(story, previous, situation.now),
        message=fitting(story.whole),
        reason=story.reason,
        conditions=conditions(story, milestones, previous, job.generation, situation.now),
        workspace=workspace_name(job) if run.state is RunState.LAUNCHING or run.job else previous.workspace,
        run=_run_status(situation) if job.is_resolved else None,
        sources=list(job.sources) or None,
        progress=progress,
        metrics=metrics,
        warnings=warnings(said, known.warnings),
        tracking=(said.tracking if said else None) or known.tracking,
        score=told_score,
        score_metric=job.spec.options.score_metric if told_score else None,
        artifact=run.artifact,
        serving=situation.rollout.status,
    )
    history = next_history(previous, status, situation.now, is_done=situation.is_done)
    return status.model_copy(update={"history": history})


def _pod_started_at(run: Run, known: RunStatus | None) -> str | None:
    """Return when the trainer of the run's first pod began to work. What an earlier release saw end stays untold."""
    if known is not None and (known.pod_started_at or known.finished_at):
        return known.pod_started_at
    states = (pods.trainer_status(pod).get("state") or {} for pod in run.pods)
    starts = [(state.get("running") or state.get("terminated") or {}).get("startedAt") for state in states]
    return min((start for start in starts if start), default=None)


def _run_status(situation: Situation) -> RunStatus:
    job, previous, run, now = situation.job, situation.previous, situation.run, situation.now
    known = previous.run if previous.run and launched_as(job, previous) else None
    over = run.state in (RunState.DONE, RunState.FAILED)
    started = known.started_at if known else None
    if started is None and run.job is not None:
        started = run.job["metadata"].get("creationTimestamp")
    elif started is None and run.state is RunState.LAUNCHING:
        started = timestamp(now)
    resumed = situation.said.resumed_from_step if situation.said else None
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


def _milestones(situation: Situation, progress: ProgressStatus | None, value: str | None) -> Milestones:
    """Say what is behind the run. A milestone once reached stays. value: the score, if it is told now."""
    job, known, run, done = situation.job, situation.known, situation.run, situation.is_done
    pod_succeeded = run.pod is not None and pods.has_succeeded(run.pod)
    stage = _STAGES.index(progress.stage) if progress and progress.stage in _STAGES else -1
    trained = done or pod_succeeded or stage > _STAGES.index(Stage.TRAIN)
    evaluated = done or pod_succeeded or stage > _STAGES.index(Stage.EVALUATE)
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
        ready=_ready(job, situation.rollout, succeeded),
        unserved=unserved(job, situation.rollout),
        failure=situation.failure,
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
