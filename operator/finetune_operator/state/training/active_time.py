"""How long a run's trainers have worked, over all its pods and launches; waiting for a node or a volume is no work.

The deadline is kept by the Job, which knows only the time since its start: so it is told a deadline while a trainer
works, and none while it waits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from finetune_api.keys import LABEL_RUN
from finetune_api.status import FineTuneJobStatus
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import is_deleting, label_of, parse_time
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed
from finetune_operator.state.pods import pods


@dataclass(frozen=True)
class ActiveTime:
    """Seconds that trainers worked which have ended by `until`. No two trainers of a run work at the same time."""

    seconds: int = 0
    until: datetime | None = None

    def since(self, start: datetime) -> datetime:
        """Return from when on the work that began at `start` is not counted yet."""
        return max(start, self.until) if self.until else start

    def reaches(self, limit_seconds: int | None) -> bool:
        """Whether nothing is left of a limit; None is no limit."""
        return limit_seconds is not None and self.seconds >= limit_seconds


NO_WORK = ActiveTime()


def active_time(job: FineTuneJob, previous: FineTuneJobStatus, observed: Observed) -> ActiveTime:
    """Return the time of the run's trainers that have ended: as the status tells it, and what has ended since then."""
    known = previous.run if previous.run and previous.run.id == job.run_id else None
    until = parse_time(known.active_until) if known and known.active_until else None
    total = ActiveTime(known.active_seconds or 0 if known else 0, until)
    own = [pod for pod in observed.training_pods if label_of(pod, LABEL_RUN) == job.run_id]
    spans = [ended_span(pod, observed.departed, observed.now) for pod in own]
    for start, end in sorted(span for span in spans if span is not None):
        worked = end - total.since(start)
        if worked.total_seconds() > 0:
            total = ActiveTime(total.seconds + int(worked.total_seconds()), end)
    return total


def worked_seconds(active: ActiveTime, newest: Manifest | None, now: datetime) -> int:
    """Return what the run's trainers have worked until now, with the one of the newest pod."""
    start = working_since(newest) if newest else None
    return active.seconds + (max(0, int((now - active.since(start)).total_seconds())) if start else 0)


def job_deadline(
    limit_seconds: int | None, active: ActiveTime, training_job: Manifest, newest: Manifest | None
) -> int | None:
    """Return the activeDeadlineSeconds of a live training Job: None while no trainer works, 0 once time is up.

    newest: the Job's newest pod. It says the same as long as the pod works.
    """
    if limit_seconds is None or (newest is not None and pods.has_succeeded(newest)):
        return None
    if active.reaches(limit_seconds):
        return 0
    start = working_since(newest) if newest else None
    job_start = (training_job.get("status") or {}).get("startTime")
    if start is None or not job_start:
        return None
    waited = active.since(start) - parse_time(job_start)
    return max(0, int(waited.total_seconds())) + limit_seconds - active.seconds


def ended_span(pod: Manifest, departed: Iterable[Manifest], now: datetime) -> tuple[datetime, datetime] | None:
    """Return when a trainer that has ended began and ended; for a pod that went without a word, when it was deleted."""
    end = pods.ended(pod) or {}
    if end.get("startedAt") and end.get("finishedAt"):
        return parse_time(end["startedAt"]), parse_time(end["finishedAt"])
    start = working_since(pod)
    if start is None or pod not in list(departed):
        return None
    deleted = pod["metadata"]["deletionTimestamp"] if is_deleting(pod) else None
    return start, min(now, parse_time(deleted)) if deleted else now


def working_since(pod: Manifest) -> datetime | None:
    """Return since when a pod's trainer works; None when it does not."""
    running = (pods.trainer_status(pod).get("state") or {}).get("running") or {}
    return parse_time(running["startedAt"]) if running.get("startedAt") else None
