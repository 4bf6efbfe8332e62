"""The workspace of a run that has ended goes after a while, if the spec says so."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from finetune_api.keys import Reason
from finetune_api.status import FineTuneJobStatus
from finetune_operator.desired.metadata import workspace_name
from finetune_operator.kinds import CLAIM, Manifest
from finetune_operator.manifests import is_deleting, name_of, parse_time
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed
from finetune_operator.state.plan import Note
from finetune_operator.state.training.recorded import launched_as
from finetune_operator.state.training.run import Run, RunState, is_told


@dataclass(frozen=True)
class Retention:
    """What becomes of the workspace.

    delete: its claim, and the Jobs whose pods hold it. is_over: whether it counts as gone. seconds_left: until it does.
    """

    delete: tuple[Manifest, ...] = ()
    is_over: bool = False
    seconds_left: float | None = None

    @property
    def notes(self) -> tuple[Note, ...]:
        """The Events about what is deleted."""
        words = "is deleted: spec.workspaceTTLSecondsAfterFinished has passed. A later run makes it anew."
        return tuple(
            Note(Reason.WORKSPACE_DELETED, f"{found['kind']} {name_of(found)} {words}") for found in self.delete[-1:]
        )


def retention(job: FineTuneJob, previous: FineTuneJobStatus, run: Run, observed: Observed, now: datetime) -> Retention:
    """Decide about the claim that the operator made; never about one that the user brought.

    previous: the status as it is written, which has to tell how the run ended: the pods of its Job hold the claim
    as long as they are there, so they go with it. Nothing goes while anything may still work on it.
    """
    ttl = job.spec.workspace_ttl_seconds_after_finished
    finished = previous.run.finished_at if previous.run and launched_as(job, previous) else None
    if ttl is None or finished is None or job.spec.storage.existing_claim:
        return Retention()
    if run.state not in (RunState.DONE, RunState.FAILED):
        return Retention()
    left = (parse_time(finished) + timedelta(seconds=ttl) - now).total_seconds()
    if left > 0:
        return Retention(seconds_left=left)
    claim = observed.child(CLAIM, workspace_name(job))
    if claim is None or is_deleting(claim):
        return Retention(is_over=True)
    if run.blockers or run.lingering or not all(_may_go(found, previous, run) for found in observed.jobs):
        return Retention()
    return Retention(delete=(*(found for found in observed.jobs if not is_deleting(found)), claim), is_over=True)


def _may_go(training_job: Manifest, previous: FineTuneJobStatus, run: Run) -> bool:
    return is_told(training_job, previous) or (training_job is run.job and run.is_spent)
