"""What has occurred from the status before to the status after, for counters: pure, as the Events are."""

from collections.abc import Iterator

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_api.keys import ConditionType
from finetune_api.status import ConditionStatus, FineTuneJobStatus, RunStatus
from finetune_operator.manifests import parse_time
from finetune_operator.occurrence import Measure, Occurrence
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import condition
from finetune_operator.state.pods.attempts import is_last
from finetune_operator.state.training.run import Run, RunState

_STAGES: list[str] = list(Stage)


def occurrences(
    job: FineTuneJob, before: FineTuneJobStatus, after: FineTuneJobStatus, run: Run
) -> tuple[Occurrence, ...]:
    """Return what the status after tells of and the one before did not. Equal statuses have none."""
    used = (after.usage.gpu_seconds if after.usage else 0) - (before.usage.gpu_seconds if before.usage else 0)
    gpu_seconds = (Occurrence(Measure.GPU_SECONDS, used),) if used > 0 else ()
    if after.run is None:
        return gpu_seconds
    old = before.run
    known = old if old is not None and (old.id, old.launch) == (after.run.id, after.run.launch) else None
    finished = _finished(before, after, known, after.run)
    return (
        *gpu_seconds,
        *finished,
        *_retries(job, known, after.run, run),
        *(_queue_wait(known, after.run) if finished or not after.run.finished_at else ()),
        *_stage(
            before, after, known, after.run, succeeded=any(found.measure is Measure.RUN_SUCCEEDED for found in finished)
        ),
    )


def _finished(
    before: FineTuneJobStatus, after: FineTuneJobStatus, known: RunStatus | None, run: RunStatus
) -> tuple[Occurrence, ...]:
    """Tell of a run's end. One that was published before, and is gone back to or judged again, has not run."""
    if not run.finished_at or (known is not None and known.finished_at):
        return ()
    told = condition(after, ConditionType.SUCCEEDED)
    if told is None or told.status != ConditionStatus.TRUE:
        return (Occurrence(Measure.RUN_FAILED, label=told.reason if told else FailureClass.BUG),)
    earlier = [entry.published_at or "" for entry in before.history or () if entry.run == run.id]
    is_new = run.started_at is not None and all(moment < run.started_at for moment in earlier)
    return (Occurrence(Measure.RUN_SUCCEEDED),) if is_new else ()


def _retries(job: FineTuneJob, known: RunStatus | None, told: RunStatus, run: Run) -> Iterator[Occurrence]:
    """Tell of attempts that failed and were followed by another: the last one was not."""
    failed = told.attempt - (known.attempt if known else 0)
    over = run.state is RunState.FAILED or (
        run.pod is not None and is_last(run.pod, run.attempts, job.spec.max_retries)
    )
    count = failed - 1 if over else failed
    if count > 0:
        yield Occurrence(Measure.RETRY, count)


def _queue_wait(known: RunStatus | None, run: RunStatus) -> Iterator[Occurrence]:
    """Tell how long the run has waited for its first pod to work."""
    if run.pod_started_at and run.started_at and not (known and known.pod_started_at):
        yield Occurrence(Measure.QUEUE_WAIT_SECONDS, _seconds(run.started_at, run.pod_started_at))


def _stage(
    before: FineTuneJobStatus, after: FineTuneJobStatus, known: RunStatus | None, run: RunStatus, *, succeeded: bool
) -> Iterator[Occurrence]:
    """Tell how long a stage took: one that has led to a later one, and the last one of a run that is done."""
    old, new = before.progress if known else None, after.progress
    if old and new and old.stage != new.stage and old.stage_started_at and new.stage_started_at:
        stages = [_STAGES.index(stage) if stage in _STAGES else -1 for stage in (old.stage, new.stage)]
        if -1 < stages[0] < stages[1]:
            yield Occurrence(
                Measure.STAGE_SECONDS, _seconds(old.stage_started_at, new.stage_started_at), str(old.stage)
            )
    if succeeded and old and new and old.stage == new.stage and new.stage_started_at and run.finished_at:
        yield Occurrence(Measure.STAGE_SECONDS, _seconds(new.stage_started_at, run.finished_at), str(new.stage))


def _seconds(start: str, end: str) -> float:
    return max(0.0, (parse_time(end) - parse_time(start)).total_seconds())
