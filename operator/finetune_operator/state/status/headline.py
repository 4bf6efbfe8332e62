"""A status that keeps all that it tells but the headline."""

from datetime import datetime

from finetune_api.keys import ConditionType, Phase, Reason
from finetune_api.status import FineTuneJobStatus
from finetune_operator.kinds import Manifest
from finetune_operator.state.observed import previous_status
from finetune_operator.state.plan import Note
from finetune_operator.state.status.conditions import Milestones, conditions, fitting, phase_since
from finetune_operator.state.status.events import story_notes
from finetune_operator.state.status.keeping import changed
from finetune_operator.state.status.story import Problem, Story, hindered

DETAIL_LIMIT = 300
_COURSE = (ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.READY)


def headline(
    resource: Manifest, previous: FineTuneJobStatus, story: Story, now: datetime
) -> tuple[Manifest | None, tuple[Note, ...]]:
    """Return the status under another headline, None if it is that already, and the Events that tell of it."""
    generation = int(resource["metadata"].get("generation", 0))
    fresh = [c for c in conditions(story, Milestones(), previous, generation, now) if c.type in _COURSE]
    kept = [c for c in previous.conditions or () if c.type not in _COURSE]
    update = {
        "observed_generation": generation,
        "phase": story.phase,
        "last_phase_transition_time": phase_since(story, previous, now),
        "reason": story.reason,
        "message": fitting(story.message),
        "conditions": [*fresh, *kept],
    }
    status = previous.model_copy(update=update)
    wire = changed(status, resource)
    return wire, tuple(story_notes(previous, status, story)) if wire is not None else ()


def own_fault(resource: Manifest, error: Exception, now: datetime) -> tuple[Manifest | None, tuple[Note, ...]]:
    """Return the status, and the Events, that tell of a mistake of the operator's own."""
    previous = previous_status(resource)
    what = f"{type(error).__name__}: {error}"[:DETAIL_LIMIT]
    message = (
        f"The operator cannot go on with this job, by a mistake of its own ({what}). Please report it with its log."
    )
    story = hindered(Phase(previous.phase or Phase.PENDING), Problem(Reason.OPERATOR_ERROR, message))
    return headline(resource, previous, story, now)
