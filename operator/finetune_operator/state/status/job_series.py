"""What Prometheus is told of each FineTuneJob: computed from the cached objects, so it goes when the job goes. Pure.

It reads plain data: ten thousand FineTuneJobs are read at every scrape.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from finetune_api.keys import Component, ConditionType, Phase
from finetune_api.spec.compute import PodPlacement
from finetune_operator.kinds import JOB, POD, Manifest
from finetune_operator.manifests import controller_of, is_deleting, name_of, namespace_of, parse_time
from finetune_operator.state.status.usage import gpus_of

DEFAULT_GPU_RESOURCE = str(PodPlacement.model_fields["gpu_resource_name"].default)
MODELS = {"tuned": "evaluation", "base": "baseline"}


@dataclass(frozen=True)
class Family:
    """One metric: its labels after namespace and name, and how many series it has at most for one FineTuneJob."""

    help: str
    labels: tuple[str, ...] = ()
    series: int = 1


@dataclass(frozen=True)
class Sample:
    """One value. labels: those of the FineTuneJob, then the family's own."""

    family: str
    labels: tuple[str, ...]
    value: float


FAMILIES = {
    "finetune_job_status_info": Family("1, with phase and reason as status tells them.", ("phase", "reason")),
    "finetune_job_phase_start_timestamp_seconds": Family("Since when it is in this phase."),
    "finetune_job_run_info": Family("1, with the run that the spec asks for.", ("run", "task", "method")),
    "finetune_job_score": Family(
        "Main metric on the held-out rows, of the tuned and of the base model.", ("model", "metric"), series=2
    ),
    "finetune_job_progress_ratio": Family("Share of the training steps that is done; only while it trains."),
    "finetune_job_estimated_end_timestamp_seconds": Family("When training ends, as estimated; only while it trains."),
    "finetune_job_gpus": Family(
        "GPUs that its running pods hold, by what they do: training or serving.", ("component",), series=2
    ),
    "finetune_job_published_timestamp_seconds": Family("When its newest model was published."),
    "finetune_job_served_digest_matches": Family(
        "1 if what is served has the digest of what that run published, else 0; only where serving is asked for."
    ),
    "finetune_job_replicas": Family(
        "Serving pods, wanted and ready; only where serving is asked for.", ("state",), series=2
    ),
}
SERIES_PER_JOB = sum(family.series for family in FAMILIES.values())
"""The most that one FineTuneJob adds to Prometheus."""


def job_samples(resource: Manifest, children: Iterable[Manifest], now: datetime) -> Iterator[Sample]:
    """Return the samples of one FineTuneJob. children: its pods; others are passed over."""
    own = (namespace_of(resource), name_of(resource))
    told = (
        *_standing(resource),
        *_scores(resource),
        *_progress(resource, now),
        *_gpus(resource, children),
        *_published(resource),
        *_serving(resource),
    )
    return (Sample(f"finetune_job_{family}", (*own, *labels), value) for family, labels, value in told)


_Told = Iterator[tuple[str, tuple[str, ...], float]]
"""Name without its beginning, own labels, value."""


def phase_of(resource: Manifest) -> str:
    """Return the phase; of a FineTuneJob that the operator has not looked at yet, Pending."""
    return str(_status(resource).get("phase") or Phase.PENDING)


def _status(resource: Manifest) -> Manifest:
    return resource.get("status") or {}


def _block(data: Manifest, name: str) -> Manifest:
    return data.get(name) or {}


def _standing(resource: Manifest) -> _Told:
    status, spec = _status(resource), resource["spec"]
    yield "status_info", (phase_of(resource), str(status.get("reason") or "")), 1.0
    transitions = [found["lastTransitionTime"] for found in _own_conditions(status)]
    since = status.get("lastPhaseTransitionTime") or max(
        transitions, default=resource["metadata"].get("creationTimestamp")
    )
    if since:
        yield "phase_start_timestamp_seconds", (), parse_time(since).timestamp()
    run = _block(status, "run").get("id")
    if run:
        method = str(_block(spec, "tuning").get("method") or "")
        yield "run_info", (str(run), str(spec.get("task") or ""), method), 1.0


def _own_conditions(status: Manifest) -> list[Manifest]:
    own = list(ConditionType)
    return [found for found in status.get("conditions") or () if found.get("type") in own]


def _scores(resource: Manifest) -> _Told:
    status = _status(resource)
    metric = status.get("scoreMetric")
    for model, block in MODELS.items():
        value = _block(_block(status, "metrics"), block).get(metric) if metric else None
        if value is not None:
            yield "score", (model, str(metric)), float(value)


def _progress(resource: Manifest, now: datetime) -> _Told:
    progress = _block(_status(resource), "progress")
    if phase_of(resource) != Phase.TRAINING:
        return
    if progress.get("totalSteps"):
        yield "progress_ratio", (), min(1.0, progress.get("step", 0) / progress["totalSteps"])
    if progress.get("etaSeconds") is not None:
        yield "estimated_end_timestamp_seconds", (), now.timestamp() + progress["etaSeconds"]


def _gpus(resource: Manifest, children: Iterable[Manifest]) -> _Told:
    spec = resource["spec"]
    held = dict.fromkeys(Component, 0)
    for pod in children:
        if pod["kind"] != POD.kind or _block(pod, "status").get("phase") != "Running" or is_deleting(pod):
            continue
        trains = (controller_of(pod) or {}).get("kind") == JOB.kind
        component, block = (Component.TRAINING, "compute") if trains else (Component.SERVING, "serving")
        held[component] += gpus_of(pod, _block(spec, block).get("gpuResourceName") or DEFAULT_GPU_RESOURCE)
    for component, count in held.items():
        if count:
            yield "gpus", (component.value,), float(count)


def _published(resource: Manifest) -> _Told:
    moments = [entry.get("publishedAt") for entry in _status(resource).get("history") or ()]
    newest = max((moment for moment in moments if moment), default=None)
    if newest:
        yield "published_timestamp_seconds", (), parse_time(newest).timestamp()


def _serving(resource: Manifest) -> _Told:
    status, spec = _status(resource), _block(resource["spec"], "serving")
    if not spec.get("enabled"):
        return
    served = _block(status, "serving")
    yield "replicas", ("wanted",), float(spec.get("replicas", 1))
    yield "replicas", ("ready",), float(served.get("readyReplicas") or 0)
    if served.get("digest"):
        yield "served_digest_matches", (), float(served["digest"] in _digests_of(status, served.get("run")))


def _digests_of(status: Manifest, run: Any) -> set[str]:
    """Return the digests that a run has published."""
    entries = (_block(status, "artifact"), *(status.get("history") or ()))
    return {str(entry.get("digest")) for entry in entries if entry.get("run") == run}
