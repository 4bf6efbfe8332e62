"""A FineTuneJob that is deleted, but kept by a finalizer: it stops working at once, and says who keeps it."""

from datetime import datetime

from finetune_api.keys import Phase, Reason
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import is_deleting, name_of
from finetune_operator.state.children.refusal import refused_story
from finetune_operator.state.observed import Observed, previous_status
from finetune_operator.state.plan import Plan
from finetune_operator.state.status.headline import headline
from finetune_operator.state.status.story import Problem, Story, hindered

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def leave(observed: Observed, now: datetime) -> Plan:
    """Stop what costs something. The garbage collector does the rest, once nobody keeps the FineTuneJob any more."""
    if ORPHAN in _finalizers(observed.resource) or not holders(observed.resource):
        return Plan()
    working = [*observed.jobs, *observed.deployments, *([observed.service] if observed.service else [])]
    story = _story(observed.resource)
    if observed.refusal:
        story = refused_story(observed.refusal, story)
    status, notes = headline(observed.resource, previous_status(observed.resource), story, now)
    return Plan(deletes=tuple(child for child in working if not is_deleting(child)), status=status, notes=notes)


def holders(manifest: Manifest) -> list[str]:
    """Return the finalizers that only somebody else can remove."""
    return [found for found in _finalizers(manifest) if found not in (FOREGROUND, ORPHAN)]


def held_back(deleting: Manifest) -> Problem | None:
    """Say who keeps a child that has nothing else to wait for; None when nobody does."""
    finalizers = holders(deleting)
    if not is_deleting(deleting) or not finalizers or FOREGROUND in _finalizers(deleting):
        return None
    what = f"{deleting['kind']} {name_of(deleting)}"
    return Problem(Reason.HELD_BY_FINALIZER, f"{what} is deleted, but kept by {_advice(deleting, finalizers)}")


def _story(resource: Manifest) -> Story:
    kept = _advice(resource, holders(resource))
    message = f"Deleted: training and serving are stopped. It is kept by {kept}"
    return hindered(Phase.TERMINATING, Problem(Reason.HELD_BY_FINALIZER, message))


def _advice(manifest: Manifest, finalizers: list[str]) -> str:
    several = len(finalizers) > 1
    command = f"kubectl patch {manifest['kind'].lower()} {name_of(manifest)} --type=merge"
    return (
        f"the finalizer{'s' if several else ''} {', '.join(finalizers)}, which who set"
        f" {'them' if several else 'it'} has to remove. If that is not to come:"
        f' {command} -p \'{{"metadata":{{"finalizers":null}}}}\''
    )


def _finalizers(manifest: Manifest) -> list[str]:
    return [str(found) for found in manifest["metadata"].get("finalizers") or ()]
