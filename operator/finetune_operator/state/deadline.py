"""The one failure that an edit of the spec undoes without a new run: time was up, and there is more of it now."""

from finetune_api.keys import ANNOTATION_DEADLINE, Reason
from finetune_api.status import Condition
from finetune_operator.desired.resource import FineTuneJob
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import annotation_of
from finetune_operator.state.job_outcome import failed_condition


def deadline_message(job: FineTuneJob) -> str:
    """Say that the run's time is up. It names the limit, so that under another limit it reads differently."""
    limit = job.spec.active_deadline_seconds
    return (
        f"Training took longer than spec.activeDeadlineSeconds ({limit}). Raise or remove it: the run goes on from its"
        " newest checkpoint."
    )


def failed_by_deadline(training_job: Manifest) -> bool:
    """Whether a Job failed because its time was up."""
    return (failed_condition(training_job) or {}).get("reason") == "DeadlineExceeded"


def has_more_time(job: FineTuneJob, training_job: Manifest) -> bool:
    """Whether a Job's time was up under another limit than today's."""
    # Older releases left the counting, from the Job's start, to the Job itself.
    own = (training_job.get("spec") or {}).get("activeDeadlineSeconds")
    limit = annotation_of(training_job, ANNOTATION_DEADLINE) or str(own)
    return failed_by_deadline(training_job) and limit != str(job.spec.active_deadline_seconds)


def is_overruled(job: FineTuneJob, told: Condition) -> bool:
    """Whether the status tells of a limit that is not today's."""
    return told.reason == Reason.DEADLINE_EXCEEDED and told.message != deadline_message(job)
