"""The trace of a run: ids that operator and trainer derive alike, so that neither has to keep or hand over any."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Attributes = Mapping[str, str | int | float | bool]

OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
OTLP_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
TRACEPARENT = "TRACEPARENT"
"""Variable of a training pod: the context of its launch, as W3C writes it."""
POD_NAME, POD_UID, NODE_NAME = (f"OTEL_RESOURCE_ATTRIBUTES_{name}" for name in ("POD_NAME", "POD_UID", "NODE_NAME"))
"""Variables of a training pod, by the names that OpenTelemetry's own operator gives them."""

JOB_NAME, JOB_UID, RUN_ID = "finetune.job.name", "finetune.job.uid", "finetune.run.id"
NAMESPACE = "k8s.namespace.name"
ERROR_TYPE = "error.type"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True)
class SpanRef:
    """Names a span, in hexadecimal digits: 32 of its trace, 16 of its own."""

    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Span:
    """A piece of work that is over. error: what went wrong, in words. link: a span of another trace."""

    name: str
    ref: SpanRef
    start: datetime
    end: datetime
    parent: SpanRef | None = None
    attributes: Attributes = field(default_factory=dict)
    error: str | None = None
    link: SpanRef | None = None


def trace_id(job_uid: str, run_id: str) -> str:
    """Return the id of a run's trace."""
    return _digits(32, "run", job_uid, run_id)


def launch_span(job_uid: str, run_id: str, launch: str) -> SpanRef:
    """Return the root of a run's trace. A run that failed and is launched again has another beside it."""
    return SpanRef(trace_id(job_uid, run_id), _digits(16, "launch", job_uid, run_id, launch))


def part_of(parent: SpanRef, name: str) -> SpanRef:
    """Return the part of this name; a parent has one of each name."""
    return SpanRef(parent.trace_id, _digits(16, parent.span_id, name))


def attempt_span(parent: SpanRef, pod_uid: str) -> SpanRef:
    """Return the span of one training pod: the operator tells it once the pod has ended, however that was."""
    return part_of(parent, f"pod {pod_uid}")


def run_attributes(namespace: str, job_name: str, job_uid: str, run_id: str) -> dict[str, str]:
    """Return by which attributes spans name a FineTuneJob and its run."""
    return {NAMESPACE: namespace, JOB_NAME: job_name, JOB_UID: job_uid, RUN_ID: run_id}


def traceparent(ref: SpanRef) -> str:
    """Write a span down as W3C does, to be recorded."""
    return f"00-{ref.trace_id}-{ref.span_id}-01"


def read_traceparent(text: str) -> tuple[SpanRef, bool] | None:
    """Return the span that W3C's words name, and whether its trace is recorded; None for other words."""
    found = _TRACEPARENT.fullmatch(text.strip())
    return (SpanRef(found[1], found[2]), bool(int(found[3], 16) & 1)) if found else None


def _digits(count: int, *parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:count]
