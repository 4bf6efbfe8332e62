"""How a training Job ended, by its own account and by ours: the Job cannot tell all failures of its pods apart."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from finetune_operator.kinds import Manifest
from finetune_operator.manifests import parse_time
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.pods.attempts import attempts, rejections
from finetune_operator.state.pods.disruption import is_self_inflicted

REJECTION_PAUSE = timedelta(seconds=10)
"""Time after which a Job is made again whose pods the nodes turned away."""


def outcome(training_job: Manifest) -> str | None:
    """Return the final condition of a Job, Complete or Failed; None while it may still go on."""
    for found in (training_job.get("status") or {}).get("conditions") or ():
        if found.get("type") in ("Complete", "Failed") and found.get("status") == "True":
            return str(found["type"])
    return None


def failed_condition(training_job: Manifest | None) -> Manifest | None:
    """Return the condition by which a Job says that, and why, it has failed."""
    conditions = ((training_job or {}).get("status") or {}).get("conditions") or ()
    return next(
        (found for found in conditions if found.get("type") == "Failed" and found.get("status") == "True"), None
    )


def was_turned_away(job: FineTuneJob, training_job: Manifest, own_pods: Sequence[Manifest]) -> bool:
    """Whether a Job used up its retries on nodes that turned its pods away, which costs the run nothing."""
    used_up = (failed_condition(training_job) or {}).get("reason") == "BackoffLimitExceeded"
    return used_up and rejections(own_pods) > 0 and attempts(training_job, own_pods) <= job.spec.max_retries


def has_paused(training_job: Manifest, now: datetime) -> bool:
    """Whether a Job that failed did so long enough ago to be made again."""
    ended = (failed_condition(training_job) or {}).get("lastTransitionTime")
    return ended is None or now - parse_time(ended) >= REJECTION_PAUSE


def is_spent(job: FineTuneJob, training_job: Manifest, own_pods: Sequence[Manifest]) -> bool:
    """Whether a run has failed for good by our count, while its Job would go on: see `attempts`."""
    if outcome(training_job):
        return False
    by_the_job = int((training_job.get("status") or {}).get("failed") or 0) - rejections(own_pods)
    limit = job.spec.max_retries
    return by_the_job <= limit < attempts(training_job, own_pods) and any(map(is_self_inflicted, own_pods))
