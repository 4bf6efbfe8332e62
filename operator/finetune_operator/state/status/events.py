"""The Events that tell the story: one for each step from the status before to the status after."""

from collections.abc import Iterator

from finetune_api.keys import ConditionType, Phase, Reason
from finetune_api.status import ConditionStatus, FineTuneJobStatus, RunStatus
from finetune_operator.desired.metadata import run_name
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed, condition, is_true
from finetune_operator.state.plan import Note
from finetune_operator.state.status.conditions import fitting
from finetune_operator.state.status.story import Course, Story
from finetune_operator.state.training.edits import edits

_MILESTONES = (ConditionType.TRAINED, ConditionType.EVALUATED, ConditionType.PUBLISHED)


def notes(
    job: FineTuneJob, before: FineTuneJobStatus, after: FineTuneJobStatus, story: Story, observed: Observed
) -> tuple[Note, ...]:
    """Return what has happened between two statuses. Equal statuses have no story."""
    return (
        *_superseded(job, before.run, after.run, observed),
        *_run_notes(job, before, after),
        *_milestone_notes(before, after),
        *story_notes(before, after, story),
    )


def _superseded(job: FineTuneJob, old: RunStatus | None, new: RunStatus | None, observed: Observed) -> Iterator[Note]:
    """Tell that a run which goes on is stopped, and what was edited."""
    if old is None or not old.started_at or old.finished_at:
        return
    if new is None:
        course = "ends"
    elif old.id != new.id:
        course = f"gives way to run {new.id}"
    elif old.launch != new.launch:
        course = "is stopped, and launched anew"
    else:
        return
    fields = edits(job, old.id, observed)
    what = f"The spec has changed ({fields})" if fields else "The spec has changed"
    yield Note(Reason.RUN_SUPERSEDED, f"{what}: run {old.id} {course}.")


def _run_notes(job: FineTuneJob, before: FineTuneJobStatus, after: FineTuneJobStatus) -> Iterator[Note]:
    old, new = before.run, after.run
    if new is None:
        return
    replaced = old is not None and (old.id, old.launch) != (new.id, new.launch)
    if new.started_at and not new.finished_at and (old is None or replaced or not old.started_at):
        starts = "is trained, and goes on from there" if is_true(after, ConditionType.TRAINED) else "starts"
        yield Note(Reason.RUN_STARTED, f"Run {new.id} {starts} as Job {run_name(job, new.id)}.")
    if new.lost_job and (old is None or replaced or old.lost_job != new.lost_job):
        yield Note(
            Reason.RELAUNCHED,
            f"Run {new.id} has ended, but its pod's last message is gone: it is launched again. Stages that are"
            " finished are skipped.",
        )
    resumed = new.resumed_from_step
    if resumed and (old is None or replaced or old.resumed_from_step != resumed):
        yield Note(Reason.RESUMED, f"Run {new.id} resumed from the checkpoint of step {resumed}.")


def _milestone_notes(before: FineTuneJobStatus, after: FineTuneJobStatus) -> Iterator[Note]:
    same_run = before.run is not None and after.run is not None and before.run.id == after.run.id
    for kind in _MILESTONES:
        now = condition(after, kind)
        was = condition(before, kind) if same_run else None
        if now and now.status == ConditionStatus.TRUE and (was is None or was.status != ConditionStatus.TRUE):
            yield Note(now.reason, now.message)


def story_notes(before: FineTuneJobStatus, after: FineTuneJobStatus, story: Story) -> Iterator[Note]:
    """Tell a new state, or a new hindrance. What merely goes on is in the conditions."""
    for aside in story.asides:
        if aside.message not in (before.message or ""):
            yield Note(aside.reason, aside.message, warning=True)
    if story.course is Course.STALLED:
        told = condition(before, ConditionType.STALLED)
        if told is None or (told.reason, told.message) != (story.reason, fitting(story.message)):
            yield Note(story.reason, story.message, warning=True)
    elif story.hindered:
        attempt = (before.run.attempt if before.run else 0, after.run.attempt if after.run else 0)
        if before.reason != story.reason or (story.reason == Reason.RETRYING and attempt[0] != attempt[1]):
            yield Note(story.reason, story.message, warning=True)
    elif _is_new_rest(before, story):
        yield Note(story.reason, story.message)


def _is_new_rest(before: FineTuneJobStatus, story: Story) -> bool:
    """Whether it has come to a point where it stays until something else happens."""
    if story.reason == Reason.WAITING_FOR_SOURCE:
        return before.reason != story.reason
    return story.phase in (Phase.SUSPENDED, Phase.READY) and before.phase != story.phase
