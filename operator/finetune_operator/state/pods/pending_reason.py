"""Why a pod is not running yet, in words that say what to do."""

from datetime import timedelta

from finetune_api.keys import Reason
from finetune_api.spec.compute import PodPlacement
from finetune_operator.kinds import CLAIM, Manifest
from finetune_operator.manifests import name_of, parse_time
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.container_problem import container_problem
from finetune_operator.state.pods.event_log import about, message_of, newest, short, time_of
from finetune_operator.state.pods.scheduling import (
    gated,
    missing_claim,
    unschedulable,
    unscheduled_for,
    waits_for_volume,
)
from finetune_operator.state.pods.volume_problem import STARTED, unbound_claim, volume_problem
from finetune_operator.state.status.story import Problem

PATIENCE = timedelta(seconds=20)
"""Time after which whatever is said of a pod that does not start is worth quoting."""
LONG_PATIENCE = timedelta(seconds=60)
"""Time within which any scheduler says something."""
GRAVE_EVENTS = ("FailedCreatePodSandBox", "FailedPrepareDynamicResources", "FailedCreatePodContainer")
"""Warnings after which nothing goes on by itself."""

_SILENT_CONDITIONS = ("ContainersNotReady", "ContainersNotInitialized", "ReadinessGatesNotReady")


def pod_problem(
    pod: Manifest, observed: Observed, job: FineTuneJob, placement: PodPlacement, block: str
) -> Problem | None:
    """Say what keeps a pod from running; None when nothing is known to.

    observed: for the Events about the pod and its claims. block: the part of the spec that places the pod.
    """
    scheduling = gated(pod) or unschedulable(pod, placement, block)
    if scheduling is None:
        return (
            container_problem(pod, observed, job, block)
            or volume_problem(pod, observed, job)
            or _quoted(pod, observed)
            or _silent(pod, observed)
        )
    if any(scheduling == missing_claim(name_of(claim)) for claim in observed.of_kind(CLAIM)):
        return None  # The claim is there: the scheduler's cache lags a moment behind.
    if not waits_for_volume(scheduling):
        return scheduling
    return volume_problem(pod, observed, job) or unbound_claim(pod, observed) or scheduling


def starting_words(pod: Manifest, observed: Observed) -> str:
    """Say that a pod is starting, and after a while what it is at."""
    event = newest(about(observed.events, pod))
    at = f": {short(message_of(event))}" if event and _age(pod, observed) >= PATIENCE else ""
    return f"Pod {name_of(pod)} is starting{at}."


def _quoted(pod: Manifest, observed: Observed) -> Problem | None:
    """Quote the newest Warning or unmet condition, which nothing else has explained."""
    said = about(observed.events, pod)
    begun = max((time_of(event) for event in said if event.get("reason") in STARTED), default="")
    waits_long = _age(pod, observed) >= PATIENCE
    warnings = [
        event
        for event in said
        if event.get("reason") in GRAVE_EVENTS or (waits_long and event.get("type") == "Warning")
        if time_of(event) > begun and not (pods.is_scheduled(pod) and event.get("reason") == "FailedScheduling")
    ]
    warning = newest(warnings)
    if warning is not None:
        words = f"{warning.get('reason')}: {short(message_of(warning))}"
        return Problem(Reason.POD_NOT_STARTING, f"Pod {name_of(pod)} does not start: {words}")
    for condition in (pod.get("status") or {}).get("conditions") or () if waits_long else ():
        if condition.get("status") == "False" and condition.get("reason") not in _SILENT_CONDITIONS:
            detail = short(str(condition.get("message") or ""))
            if detail:
                words = f"{condition['type']} is not met: {detail}"
                return Problem(Reason.POD_NOT_STARTING, f"Pod {name_of(pod)} does not start: {words}")
    return None


def _silent(pod: Manifest, observed: Observed) -> Problem | None:
    """Say whose silence a pod without a node waits on: a provisioner's, or that of the scheduler."""
    age = _age(pod, observed)
    if pods.is_scheduled(pod) or age < PATIENCE:
        return None
    return unbound_claim(pod, observed) or (unscheduled_for(pod) if age >= LONG_PATIENCE else None)


def _age(pod: Manifest, observed: Observed) -> timedelta:
    return observed.now - parse_time(pod["metadata"]["creationTimestamp"])
