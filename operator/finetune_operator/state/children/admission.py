"""Why the API server refused an object of the job, in words that say what to do."""

import re
from collections.abc import Iterable

from finetune_api.keys import Reason
from finetune_operator.kinds import JOB, Manifest
from finetune_operator.state.pods.event_log import latest, message_of, newest, short, time_of
from finetune_operator.state.pods.missing_reference import missing_account
from finetune_operator.state.pods.pods import OWN_CONTAINERS
from finetune_operator.state.status.story import Problem

_TOLD_OTHERWISE = ("BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy")
_REFUSALS = (
    (
        "insufficient quota",
        "The namespace's quotas refused the pod",
        "No ResourceQuota of the namespace covers such pods: ask for one, or choose another priority class",
    ),
    ("status unknown for quota", "A quota has not been counted yet", "It is tried again"),
    (
        "violates PodSecurity",
        "Pod Security refused the pod",
        "Label the namespace pod-security.kubernetes.io/enforce with a level that allows it",
    ),
)
"""What the API server says, our words for it, and what to do."""
_MUST_SPECIFY = re.compile(r"must specify (.+)$")
_OUT_OF_RANGE = re.compile(
    r"(?:maximum|minimum) (?P<resource>\S+) usage per (?:Container|Pod) is [^,]+, but (?:request|limit) is"
    r"|(?P<ratio>\S+) max limit to request ratio per (?:Container|Pod) is"
)


def creation_problem(events: Iterable[Manifest], since: str) -> Problem | None:
    """Say why a controller could not create its pod, from the Events about it since the last pod's creation."""
    fresh = [event for event in events if time_of(event) > since]
    failed = latest(fresh, ("FailedCreate",))
    if failed is not None:
        return refusal_problem(message_of(failed), "spec.compute")
    about_jobs = (e for e in fresh if (e.get("involvedObject") or {}).get("kind") == JOB.kind)
    warning = newest(event for event in about_jobs if event.get("type") == "Warning")
    if warning is None or warning.get("reason") in _TOLD_OTHERWISE:
        return None
    return Problem(Reason.POD_NOT_STARTING, f"No pod is made: {warning.get('reason')}: {short(message_of(warning))}")


def refusal_problem(message: str, block: str = "spec.compute") -> Problem:
    """Explain why the API server refused an object. block: the part of the spec that places its pods."""
    detail = short(message)
    if "must specify" in message:
        return _unspecified(detail, block)
    if "exceeded quota" in message:
        return Problem(Reason.QUOTA_EXCEEDED, f"The namespace's quota is used up: {detail}. Free or raise it.")
    for mark, words, advice in _REFUSALS:
        if mark in message:
            return Problem(Reason.ADMISSION_REFUSED, f"{words}: {detail}. {advice}.")
    found = _OUT_OF_RANGE.search(message)
    if found:
        field = _field(found["resource"] or found["ratio"], block)
        return Problem(Reason.ADMISSION_REFUSED, f"A LimitRange refused the pod: {detail}. Change {field}.")
    unexplained = Problem(Reason.ADMISSION_REFUSED, f"The API server refused an object of this job: {detail}")
    return missing_account(message) or unexplained


def _unspecified(detail: str, block: str) -> Problem:
    """Explain a quota that is not used up, but counts something that a container says nothing of."""
    wanted = _MUST_SPECIFY.search(detail)
    missing = wanted[1] if wanted else "more"
    names = {name for part in re.findall(r" for: ([-\w.,]+)", missing) for name in part.split(",") if name}
    injected = sorted(names - set(OWN_CONTAINERS))
    words = f"The namespace's quota wants pods to say more: {detail}."
    if injected and not names & set(OWN_CONTAINERS):
        advice = f"Give {', '.join(injected)} it where it is added to the pod, or let a LimitRange give it by default."
    else:
        fields = f"{block}.limits or {block}.ephemeralStorage, or in the chart's defaults"
        advice = f"Set it in {fields}, or let a LimitRange of the namespace give it."
    return Problem(Reason.ADMISSION_REFUSED, f"{words} {advice}")


def _field(resource: str, block: str) -> str:
    own = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "ephemeralStorage"}
    return f"{block}.{own[resource]} or {block}.limits" if resource in own else f"{block}.limits"
