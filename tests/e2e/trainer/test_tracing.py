"""A run's stages are parts of its one trace, whatever becomes of its pods, and a collector never holds it up."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from finetune_api.failures import ExitCode
from finetune_api.traces import (
    NODE_NAME,
    OTLP_ENDPOINT,
    OTLP_HEADERS,
    POD_UID,
    TRACEPARENT,
    attempt_span,
    launch_span,
    traceparent,
)
from tests.collector import Collector, collector
from tests.e2e.trainer.tiny_data import reviews
from tests.e2e.trainer.trainer_process import Site, signal_at

pytestmark = pytest.mark.e2e

STEPS = 30
LAUNCH = launch_span("uid", "run", "launch")
SECRET = "a-secret-of-the-collector"


@pytest.fixture
def otlp() -> Iterator[Collector]:
    with collector() as found:
        yield found


def job(site: Site, train: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    return site.job(
        task="SequenceClassification",
        model={"source": "pvc://models/encoder-with-dropout"},
        dataset={
            "train": {"source": site.write("train.jsonl", train or reviews())},
            "evaluation": {"source": site.write("evaluation.jsonl", reviews()[11:13])},
        },
        training={"epochs": None, "maxSteps": STEPS, "checkpointIntervalSteps": 10},
        **changes,
    )


def pod(uid: str, endpoint: str, pattern: str = "", number: signal.Signals = signal.SIGKILL) -> None:
    """Be this pod, with the variables that the operator gives it; one with a pattern does not live long."""
    os.environ |= {
        OTLP_ENDPOINT: endpoint,
        OTLP_HEADERS: f"authorization=Bearer%20{SECRET}",
        TRACEPARENT: traceparent(LAUNCH),
        POD_UID: uid,
        NODE_NAME: "node-1",
        "FINETUNE_LOG_FORMAT": "json",
    }
    if pattern:
        signal_at(pattern, number)


def test_a_run_whose_pod_is_killed_is_one_trace(site: Site, otlp: Collector):
    adapters = {"method": "LoRA", "lora": {"rank": 4, "alpha": 8}}
    work = job(site, tuning=adapters)
    killed = site.run(work, partial(pod, "pod-1", otlp.endpoint, "checkpoint at step 20"))
    assert killed.wait() == -signal.SIGKILL, killed.output
    resumed = site.run(work, partial(pod, "pod-2", otlp.endpoint)).succeeded()

    assert {span.trace_id for span in otlp.spans} == {LAUNCH.trace_id}
    first, second = attempt_span(LAUNCH, "pod-1"), attempt_span(LAUNCH, "pod-2")
    told = {span.name: span for span in otlp.spans if span.parent_id == second.span_id}
    assert list(told) == ["Train", "Evaluate", "Export", "Push"], "what the first pod has done is not done again"
    assert {span.name for span in otlp.spans if span.parent_id == first.span_id} <= {"Data", "Model", "Baseline"}
    assert otlp.one("Merge").parent_id == told["Train"].span_id
    assert told["Train"].attributes["finetune.steps"] == STEPS
    assert told["Train"].attributes["finetune.resumed_from_step"] == 20
    manifest = json.loads((site.published() / "finetune-manifest.json").read_text())
    assert told["Export"].attributes["finetune.artifact.digest"] == manifest["digest"]
    assert told["Push"].attributes["finetune.artifact.size_bytes"] > 0
    assert {span.resource["service.name"] for span in otlp.spans} == {"finetune-trainer"}
    assert told["Train"].start < otlp.one("Merge").start < told["Train"].end <= told["Evaluate"].start

    assert otlp.headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in str(otlp.spans)
    lines = [json.loads(line) for line in resumed.output.splitlines()]
    assert {line["trace_id"] for line in lines} == {LAUNCH.trace_id}


def test_a_stage_that_fails_says_why_in_its_span(site: Site, otlp: Collector):
    broken = job(site, train=[*reviews(), {"text": "a row"}])
    failed = site.run(broken, partial(pod, "pod-1", otlp.endpoint))
    assert failed.wait() == ExitCode.BAD_DATA, failed.output
    (span,) = otlp.spans
    assert (span.name, span.attributes["error.type"]) == ("Data", "BadData")
    assert failed.report.failure
    assert span.error == failed.report.failure.message


def test_a_collector_that_does_not_answer_fails_no_run_and_is_told_once(site: Site):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run = site.run(job(site), partial(pod, "pod-1", endpoint)).succeeded()
    lines = [json.loads(line) for line in run.output.splitlines()]
    (warning,) = [line for line in lines if "span" in line["message"]]
    assert warning["message"].startswith(f"spans do not reach {endpoint}")
    assert warning["message"].endswith("; the run goes on without")
    assert run.report.artifact
