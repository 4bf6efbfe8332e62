"""What to say when the API server does not do what the operator asks of it."""

from dataclasses import replace

from finetune_api.keys import Reason
from finetune_operator.kinds import CLAIM
from finetune_operator.state.children.admission import refusal_problem
from finetune_operator.state.observed import Refusal
from finetune_operator.state.status.story import Course, Problem, Story, hindered

_WORDS = {"patch": "cannot be changed", "delete": "cannot be deleted", "status": "cannot be written"}
DETAIL_LIMIT = 600


def refused_story(refusal: Refusal, story: Story) -> Story:
    """Return the story of what would go on, with what the API server refuses as its headline.

    What only a person can mend stays the headline, and the refusal is said after it.
    """
    problem = _problem(refusal)
    if story.course is Course.STALLED:
        return replace(story, message=f"{story.message} {problem.message}")
    return hindered(story.phase, problem)


def _problem(refusal: Refusal) -> Problem:
    about = f"{refusal.kind} {refusal.name}".strip() or "An object"
    detail = " ".join(refusal.message.split()).rstrip(".")[:DETAIL_LIMIT]
    if " cannot " in detail and 'User "' in detail:
        advice = "The operator's role does not allow it: install the roles of its chart"
        return Problem(Reason.API_SERVER_REFUSED, f"{about} {_what(refusal)}: {detail}. {advice}.")
    if refusal.kind == CLAIM.kind and refusal.verb == "patch":
        advice = "Set spec.storage.size back to what the claim has, or use a storage class whose volumes can grow"
        return Problem(Reason.VOLUME_NOT_READY, f"{about} cannot grow: {detail}. {advice}. The run goes on meanwhile.")
    if refusal.lasting:
        return _lasting(refusal, about, detail)
    problem = refusal_problem(refusal.message)
    what = about if refusal.hinders_launch else f"{about} {_what(refusal)}"
    return Problem(problem.reason, f"{what}: {problem.message}")


def _lasting(refusal: Refusal, about: str, detail: str) -> Problem:
    is_webhook = "failed calling webhook" in detail
    advice = "Ask who runs the cluster to mend or remove the webhook" if is_webhook else "Ask who runs the cluster"
    reason = Reason.ADMISSION_REFUSED if is_webhook else Reason.API_SERVER_REFUSED
    message = f"{about} {_what(refusal)}, time and again: {detail}. It is tried again. {advice}, if this stays."
    return Problem(reason, message)


def _what(refusal: Refusal) -> str:
    default = "cannot be made" if refusal.kind else "cannot be read"
    return _WORDS.get(refusal.verb, default)
