"""What an attempt tells of itself, and when it tells nothing."""

import sys
from typing import Any

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Failure, RunRequest
from finetune_api.spans import NoSpans
from finetune_api.traces import Span, attempt_span, launch_span, trace_id, traceparent
from finetune_trainer import log, tracing
from finetune_trainer.config import TraceSettings, trace_settings
from finetune_trainer.records import PushRecord, TokenCounts, TrainRecord
from finetune_trainer.tracing import Tracing, open_tracing, outcome_of

LAUNCH = launch_span("uid", "run", "launch")
ENDPOINT = "http://collector:4318"
REQUEST = RunRequest.model_validate(
    {
        "namespace": "default",
        "name": "job",
        "uid": "uid",
        "runId": "run",
        "model": {"source": "s3://bucket/base"},
        "task": "SequenceClassification",
        "dataset": {"train": {"source": "s3://bucket/train.csv"}},
        "output": {"destination": "s3://bucket/tuned"},
    }
)


class Kept(NoSpans):
    """Keeps what is sent, and how long its end was waited for."""

    def __init__(self) -> None:
        self.sent: list[Span] = []
        self.waited = 0.0

    def send(self, *spans: Span) -> None:
        self.sent += spans

    def close(self, seconds: float) -> None:
        self.waited = seconds


def test_a_failure_ends_all_that_goes_on_and_names_its_class():
    kept = Kept()
    attempt = Tracing(kept, LAUNCH.trace_id, LAUNCH)
    with attempt.span("Data") as attributes:
        attributes["finetune.rows.train"] = 24
    with pytest.raises(ZeroDivisionError), attempt.span("Train"), attempt.span("Merge"):
        _ = 1 / 0
    attempt.end(Failure(failure_class=FailureClass.OUT_OF_MEMORY, message="The GPU's memory is too small."))
    data, merge, train = kept.sent
    assert (data.name, data.parent, data.error, data.attributes) == ("Data", LAUNCH, None, {"finetune.rows.train": 24})
    assert [span.name for span in (merge, train)] == ["Merge", "Train"]
    assert (merge.parent, train.parent) == (train.ref, LAUNCH)
    assert {span.error for span in (merge, train)} == {"The GPU's memory is too small."}
    assert {span.attributes["error.type"] for span in (merge, train)} == {"OutOfMemory"}
    assert {span.ref.trace_id for span in kept.sent} == {LAUNCH.trace_id}


def test_a_pod_that_is_told_to_stop_waits_for_a_moment_only():
    kept = Kept()
    Tracing(kept, LAUNCH.trace_id).end(Failure(failure_class=FailureClass.PREEMPTED, message="told to stop"))
    assert kept.waited == 1.0


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, TraceSettings()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, TraceSettings(ENDPOINT)),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "TRACEPARENT": traceparent(LAUNCH)},
            TraceSettings(ENDPOINT, LAUNCH),
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT,
                "TRACEPARENT": traceparent(LAUNCH).removesuffix("01") + "00",
                "OTEL_RESOURCE_ATTRIBUTES_POD_UID": "pod",
            },
            TraceSettings(ENDPOINT, attempt_span(LAUNCH, "pod"), recorded=False),
        ),
    ],
)
def test_the_environment_says_where_to_and_what_of(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], found: TraceSettings
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert trace_settings() == found


@pytest.mark.parametrize("settings", [TraceSettings(), TraceSettings(ENDPOINT, LAUNCH, recorded=False)])
def test_without_an_endpoint_or_in_a_trace_that_nobody_records_nothing_is_loaded(
    monkeypatch: pytest.MonkeyPatch, settings: TraceSettings
):
    monkeypatch.setattr(tracing, "open_spans", pytest.fail)
    with open_tracing(REQUEST, settings).span("Data"):
        pass


def test_a_trainer_by_itself_finds_the_trace_of_its_run(monkeypatch: pytest.MonkeyPatch):
    kept = Kept()
    resources: list[Any] = []
    monkeypatch.setattr(tracing, "open_spans", lambda _, resource, __: resources.append(resource) or kept)
    monkeypatch.setattr(log, "_ABOUT", {})
    with open_tracing(REQUEST, TraceSettings(ENDPOINT)).span("Data"):
        pass
    (span,) = kept.sent
    assert (span.ref.trace_id, span.parent) == (trace_id("uid", "run"), None)
    assert {"trace_id": span.ref.trace_id} == log._ABOUT


def test_an_image_without_opentelemetry_trains_all_the_same(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr(log, "warn", said.append)
    monkeypatch.delitem(sys.modules, "finetune_api.span_sender", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with open_tracing(REQUEST, TraceSettings(ENDPOINT, LAUNCH)).span("Data"):
        pass
    assert said == ["the image has no opentelemetry.sdk.trace, so that spans cannot be sent; the run goes on without"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (
            TrainRecord("model", 30, 5.0, {"loss": 0.5}, 10, 100, None, tokens=TokenCounts(24, tokens=240)),
            {"steps": 30, "loss": 0.5, "tokens": 240, "trainable_parameters": 10},
        ),
        (PushRecord("s3://b/m", "sha256:a", 5, None), {"artifact.uri": "s3://b/m", "artifact.size_bytes": 5}),
        ({"name": "digest"}, {}),
    ],
)
def test_stages_tell_counts_and_sizes(record: Any, told: dict[str, Any]):
    assert outcome_of(record) == {f"finetune.{name}": value for name, value in told.items()}
