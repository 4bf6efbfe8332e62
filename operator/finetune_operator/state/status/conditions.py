"""The conditions: the truth, for programs, following kstatus."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from finetune_api.keys import ConditionType, Reason
from finetune_api.status import Condition, ConditionStatus, FineTuneJobStatus
from finetune_operator.manifests import timestamp
from finetune_operator.state.status.story import Course, Problem, Story

MESSAGE_LIMIT = 4096


@dataclass(frozen=True)
class Milestones:
    """What the run has behind it, each with words for it; None is still to come. failure: why it never will.

    unserved: why the newest model is not served, whatever the run does.
    """

    trained: str | None = None
    evaluated: str | None = None
    published: str | None = None
    succeeded: str | None = None
    ready: str | None = None
    unserved: Problem | None = None
    failure: Problem | None = None


def conditions(
    story: Story, milestones: Milestones, previous: FineTuneJobStatus, generation: int, now: datetime
) -> list[Condition]:
    """Return all conditions. A condition keeps the time of its last transition as long as its status stays."""
    wanted = [
        *_course(story),
        *_milestones(story, milestones),
        *_ready(story, milestones),
    ]
    known = {condition.type: condition for condition in previous.conditions or ()}
    return [_dated(draft, known.get(draft[0]), generation, now) for draft in wanted]


def fitting(text: str) -> str:
    """Return a message that fits its field."""
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"


_Draft = tuple[ConditionType, ConditionStatus, str, str]


def _course(story: Story) -> Iterable[_Draft]:
    """Reconciling and Stalled are there only while they are true."""
    if story.course is Course.RECONCILING:
        yield ConditionType.RECONCILING, ConditionStatus.TRUE, story.reason, story.message
    if story.course is Course.STALLED:
        yield ConditionType.STALLED, ConditionStatus.TRUE, story.reason, story.message


def _milestones(story: Story, milestones: Milestones) -> Iterable[_Draft]:
    steps = (
        (ConditionType.TRAINED, Reason.TRAINED, milestones.trained),
        (ConditionType.EVALUATED, Reason.EVALUATED, milestones.evaluated),
        (ConditionType.PUBLISHED, Reason.PUBLISHED, milestones.published),
        (ConditionType.SUCCEEDED, Reason.SUCCEEDED, milestones.succeeded),
    )
    for kind, reason, reached in steps:
        if reached is not None:
            yield kind, ConditionStatus.TRUE, reason, reached
        elif milestones.failure is not None:
            yield kind, ConditionStatus.FALSE, milestones.failure.reason, _why(kind, milestones.failure)
        else:
            yield kind, ConditionStatus.UNKNOWN, story.reason, ""


def _ready(story: Story, milestones: Milestones) -> Iterable[_Draft]:
    """Ready is left out of a job that is as its spec asks, suspended, and has nothing to serve: False would say, by
    kstatus, that it is worth waiting for.
    """
    if milestones.ready is not None:
        yield ConditionType.READY, ConditionStatus.TRUE, story.reason, milestones.ready
    elif milestones.unserved is not None and milestones.published is None:
        yield ConditionType.READY, ConditionStatus.FALSE, milestones.unserved.reason, milestones.unserved.message
    elif story.course is not Course.SETTLED:
        message = f"See condition {ConditionType.STALLED}." if story.course is Course.STALLED else story.message
        yield ConditionType.READY, ConditionStatus.FALSE, story.reason, message


def _why(kind: ConditionType, failure: Problem) -> str:
    """Return the words for a milestone that is out of reach: the whole story is told by one of them."""
    if kind is ConditionType.SUCCEEDED:
        return failure.message
    return f"The run failed before this: see condition {ConditionType.SUCCEEDED}."


def _dated(draft: _Draft, known: Condition | None, generation: int, now: datetime) -> Condition:
    kind, status, reason, message = draft
    since = known.last_transition_time if known is not None and known.status == status else timestamp(now)
    return Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        last_transition_time=since,
        reason=reason,
        message=fitting(message),
    )


def phase_since(story: Story, previous: FineTuneJobStatus, now: datetime) -> str | None:
    """Return since when it is in the story's phase; None where an earlier release has not noted it."""
    return previous.last_phase_transition_time if story.phase == previous.phase else timestamp(now)
