"""What Prometheus is told of a FineTuneJob: a table of what each state shows, and how many series that is."""

import time
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from finetune_api.handoff import Stage
from finetune_operator.cluster.trimmed import trimmed
from finetune_operator.exposition import _Now, job_families
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from finetune_operator.state.status.job_series import FAMILIES, SERIES_PER_JOB, job_samples
from tests.builders import finetune_job
from tests.unit.operator.builders import DIGEST, NOW, Scene

START = timestamp(NOW)
MOMENT = NOW.timestamp()
METRICS = {"evaluation": {"accuracy": 0.9, "loss": 0.3}, "baseline": {"accuracy": 0.5}}
PUBLISHED = {"run": "abc", "digest": DIGEST, "publishedAt": START}
SERVED = {"history": [PUBLISHED], "serving": {"run": "abc", "digest": DIGEST, "readyReplicas": 1}}


def told(spec: Manifest, status: Manifest, *children: Manifest) -> dict[str, float]:
    """Return the samples, without namespace and name, as `name{own labels}`."""
    samples = job_samples({**finetune_job("job", **spec), "status": status}, children, NOW)
    own = {}
    for sample in samples:
        namespace, name, *labels = sample.labels
        assert (namespace, name) == ("default", "job")
        assert len(labels) == len(FAMILIES[sample.family].labels)
        own[f"{sample.family.removeprefix('finetune_job_')}{{{','.join(labels)}}}"] = sample.value
    return own


def pod(kind: str, gpus: int, phase: str = "Running", **metadata: Any) -> Manifest:
    limits = {"memory": "4Gi", "nvidia.com/gpu": str(gpus)} if gpus else {"memory": "4Gi"}
    owner = {"kind": kind, "name": "it", "uid": "uid", "controller": True}
    found = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": "default", "ownerReferences": [owner], **metadata},
        "spec": {"containers": [{"name": "trainer", "resources": {"limits": limits}}]},
        "status": {"phase": phase},
    }
    return trimmed(found)


@pytest.mark.parametrize(
    ("spec", "status", "children", "expected"),
    [
        pytest.param({}, {}, (), {"status_info{Pending,}": 1}, id="not looked at yet"),
        pytest.param(
            {"tuning": {"method": "LoRA"}},
            {"phase": "Failed", "reason": "BadData", "lastPhaseTransitionTime": START, "run": {"id": "abc"}},
            (),
            {
                "status_info{Failed,BadData}": 1,
                "phase_start_timestamp_seconds{}": MOMENT,
                "run_info{abc,SequenceClassification,LoRA}": 1,
            },
            id="failed",
        ),
        pytest.param(
            {},
            {"phase": "Training", "progress": {"step": 50, "totalSteps": 200, "etaSeconds": 60}},
            (pod("Job", 1), pod("Deployment", 1), pod("Job", 1, "Succeeded"), pod("Job", 1, deletionTimestamp=START)),
            {
                "status_info{Training,}": 1,
                "progress_ratio{}": 0.25,
                "estimated_end_timestamp_seconds{}": MOMENT + 60,
                "gpus{training}": 1,
                "gpus{serving}": 1,
            },
            id="training on a GPU, while the model before is served on another",
        ),
        pytest.param(
            {},
            {"phase": "Suspended", "progress": {"step": 50, "totalSteps": 200}},
            (pod("Job", 0),),
            {"status_info{Suspended,}": 1},
            id="progress only while it trains, GPUs only where there are some",
        ),
        pytest.param(
            {},
            {"phase": "Succeeded", "scoreMetric": "accuracy", "metrics": METRICS, "history": [PUBLISHED]},
            (),
            {
                "status_info{Succeeded,}": 1,
                "score{tuned,accuracy}": 0.9,
                "score{base,accuracy}": 0.5,
                "published_timestamp_seconds{}": MOMENT,
            },
            id="published",
        ),
        pytest.param(
            {"serving": {"enabled": True, "replicas": 2}},
            {"phase": "Ready", **SERVED},
            (),
            {
                "status_info{Ready,}": 1,
                "published_timestamp_seconds{}": MOMENT,
                "replicas{wanted}": 2,
                "replicas{ready}": 1,
                "served_digest_matches{}": 1,
            },
            id="served",
        ),
        pytest.param(
            {"serving": {"enabled": True}},
            {"phase": "Ready", **SERVED, "serving": {"run": "abc", "digest": "sha256:other"}},
            (),
            {
                "status_info{Ready,}": 1,
                "published_timestamp_seconds{}": MOMENT,
                "replicas{wanted}": 1,
                "replicas{ready}": 0,
                "served_digest_matches{}": 0,
            },
            id="what is served is not what was judged",
        ),
    ],
)
def test_each_state_shows_its_own_series(
    spec: Manifest, status: Manifest, children: tuple[Manifest, ...], expected: dict[str, float]
) -> None:
    assert told(spec, status, *children) == expected


def test_phase_of_an_earlier_release_began_no_later_than_its_newest_condition() -> None:
    transitions = [{"type": "Ready", "lastTransitionTime": START}, {"type": "Theirs", "lastTransitionTime": "2030"}]
    found = told({}, {"phase": "Ready", "conditions": transitions})
    assert found["phase_start_timestamp_seconds{}"] == MOMENT


def test_phase_keeps_its_beginning_until_it_changes() -> None:
    scene = Scene()
    scene.act()
    pending = scene.status["lastPhaseTransitionTime"]
    scene.now += timedelta(seconds=60)
    scene.pod()
    scene.act()
    assert scene.status["lastPhaseTransitionTime"] == pending == timestamp(NOW)
    scene.running_pod()
    scene.says(Stage.TRAIN, step=1).act()
    assert scene.status["lastPhaseTransitionTime"] == timestamp(scene.now)


def fullest(name: str) -> tuple[Manifest, tuple[Manifest, ...]]:
    """Return a FineTuneJob that shows all it can: it trains anew while its model is served."""
    progress = {"step": 50, "totalSteps": 200, "etaSeconds": 60}
    status = {"phase": "Training", "reason": "Training", "lastPhaseTransitionTime": START, "run": {"id": "abc"}}
    status |= {"progress": progress, "scoreMetric": "accuracy", "metrics": METRICS, **SERVED}
    resource = {**finetune_job(name, serving={"enabled": True}, tuning={"method": "LoRA"}), "status": status}
    return resource, (pod("Job", 1), pod("Deployment", 1))


def test_thousands_of_jobs_have_a_bounded_number_of_series_and_are_told_in_seconds() -> None:
    count = 2000
    assert SERIES_PER_JOB == 13
    assert len(list(job_samples(*fullest("job"), NOW))) == SERIES_PER_JOB
    resource, pods = fullest("job")
    heads = ({**resource["metadata"], "name": f"job-{number}"} for number in range(count))
    jobs = [({**resource, "metadata": head}, pods) for head in heads]
    start = time.process_time()
    families = list(job_families(jobs, NOW))
    text = generate_latest(_registry(families))
    assert time.process_time() - start < 4
    per_job = [line for line in text.splitlines() if b'name="job-7"' in line]
    assert len(per_job) == SERIES_PER_JOB
    total = sum(len(family.samples) for family in families)
    assert total == count * SERIES_PER_JOB + 1


def _registry(families: list[Any]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Now(families, []))
    return registry
