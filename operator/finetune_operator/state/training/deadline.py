"""The one failure that an edit of the spec undoes without a new run: time was up, and there is more of it now."""

import re

from finetune_api.keys import ANNOTATION_DEADLINE, Reason
from finetune_api.status import Condition
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import annotation_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.training.job_outcome import failed_condition

_LIMIT = re.compile(r"activeDeadlineSeconds \((\d+)\)")


def deadline_message(limit: int) -> str:
    """Say that the run's time, in seconds, is up. It names the limit, by which more time is told from it later."""
    return (
        f"Training took longer than spec.activeDeadlineSeconds ({limit}). Raise or remove it: the run goes on from its"
        " newest checkpoint."
    )


def limit_of(training_job: Manifest) -> int | None:
    """Return the limit that a Job keeps, in seconds of work."""
    # Older releases left the counting, from the Job's start, to the Job itself.
    own = (training_job.get("spec") or {}).get("activeDeadlineSeconds")
    limit = annotation_of(training_job, ANNOTATION_DEADLINE) or own
    return int(limit) if limit is not None else None


def live_limit(job: FineTuneJob, training_job: Manifest, worked_seconds: int) -> int | None:
    """Return the limit for a live Job: that of the spec, unless it is shorter, and past already.

    Then it is for the next launch: an edit never ends a live run at once.
    """
    wanted, known = job.spec.active_deadline_seconds, limit_of(training_job)
    is_shorter = wanted is not None and (known is None or wanted < known)
    return known if is_shorter and wanted is not None and worked_seconds >= wanted else wanted


def failed_by_deadline(training_job: Manifest) -> bool:
    """Whether a Job failed because its time was up."""
    return (failed_condition(training_job) or {}).get("reason") == "DeadlineExceeded"


def has_more_time(job: FineTuneJob, training_job: Manifest) -> bool:
    """Whether a Job's time was up under a shorter limit than today's."""
    return failed_by_deadline(training_job) and _is_more(job, limit_of(training_job))


def is_overruled(job: FineTuneJob, told: Condition) -> bool:
    """Whether the status tells of a shorter limit than today's."""
    limit = _LIMIT.search(told.message)
    return told.reason == Reason.DEADLINE_EXCEEDED and _is_more(job, int(limit[1]) if limit else None)


def _is_more(job: FineTuneJob, limit: int | None) -> bool:
    wanted = job.spec.active_deadline_seconds
    return wanted is None or (limit is not None and wanted > limit)
