"""The spans of an attempt: every stage that has something to do, what came of it, or why it failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from finetune_api.failures import FailureClass
from finetune_api.handoff import Failure, RunRequest
from finetune_api.spans import NoSpans, Spans, new_ref, open_spans
from finetune_api.traces import Span, SpanRef, run_attributes, trace_id
from finetune_trainer import log
from finetune_trainer.config import TraceSettings
from finetune_trainer.records import (
    DataRecord,
    EvaluateRecord,
    Evaluation,
    ExportRecord,
    ModelRecord,
    PushRecord,
    TrainRecord,
)

SERVICE = {"service.name": "finetune-trainer"}
LAST_SPANS_SECONDS = 3.0
"""How long the end of an attempt waits for the collector; one that is told to stop, a third of it."""


@dataclass(frozen=True)
class _Open:
    """A piece of work that goes on."""

    name: str
    ref: SpanRef
    parent: SpanRef | None
    start: datetime
    attributes: dict[str, Any] = field(default_factory=dict)


class Tracing:
    """The spans of one attempt, within those that go on; by default, nobody is told of them."""

    def __init__(self, spans: Spans | None = None, trace: str = "", parent: SpanRef | None = None) -> None:
        self._spans = spans or NoSpans()
        self._trace = trace
        self._parent = parent
        self._open: list[_Open] = []

    @contextmanager
    def span(self, name: str) -> Iterator[dict[str, Any]]:
        """Tell of the body once it is done, with the attributes that it adds; one that fails is told of by `end`."""
        parent = self._open[-1].ref if self._open else self._parent
        opened = _Open(name, new_ref(self._trace), parent, datetime.now(UTC))
        self._open.append(opened)
        yield opened.attributes
        self._open.remove(opened)
        self._send(opened)

    def end(self, failure: Failure | None) -> None:
        """Tell of what the failure has ended, and wait a moment until all has been sent."""
        while failure and self._open:
            opened = self._open.pop()
            opened.attributes.update({"error.type": str(failure.failure_class)})
            self._send(opened, failure.message)
        stopped = failure is not None and failure.failure_class is FailureClass.PREEMPTED
        self._spans.close(LAST_SPANS_SECONDS / 3 if stopped else LAST_SPANS_SECONDS)

    def _send(self, done: _Open, error: str | None = None) -> None:
        end = datetime.now(UTC)
        self._spans.send(Span(done.name, done.ref, done.start, end, done.parent, done.attributes, error))


def open_tracing(request: RunRequest, settings: TraceSettings) -> Tracing:
    """Begin to tell of an attempt if there is an endpoint, and the run's trace is recorded."""
    if not settings.endpoint or not settings.recorded:
        return Tracing()
    trace = settings.parent.trace_id if settings.parent else trace_id(request.uid, request.run_id)
    try:
        run = run_attributes(request.namespace, request.name, request.uid, request.run_id)
        spans = open_spans(settings.endpoint, {**SERVICE, **run}, _complain)
    except ImportError as error:
        _complain(f"the image has no {error.name}, so that spans cannot be sent")
        return Tracing()
    log.about(trace_id=trace)
    return Tracing(spans, trace, settings.parent)


def outcome_of(record: Any) -> dict[str, Any]:
    """Return what a stage's record tells in a span: counts and sizes, no rows and no texts."""
    return {f"finetune.{name}": value for name, value in _told(record).items() if value is not None}


def _told(record: Any) -> dict[str, Any]:
    match record:
        case DataRecord():
            rows = {"train": record.train_rows, "evaluation": record.evaluation_rows, "test": record.test_rows or None}
            found: dict[str, Any] = {f"rows.{block}": count for block, count in rows.items()}
        case ModelRecord():
            found = {"model.architecture": record.architecture, "model.revision": record.revision}
        case TrainRecord():
            found = {
                "steps": record.steps,
                "resumed_from_step": record.resumed_from_step,
                "loss": record.metrics.get("loss"),
                "tokens": record.tokens.tokens if record.tokens else None,
                "trainable_parameters": record.trainable_parameters,
            }
        case Evaluation() | EvaluateRecord():
            found = {f"metric.{name}": value for name, value in record.metrics.items()}
        case ExportRecord():
            found = {"artifact.size_bytes": record.size_bytes, "artifact.digest": record.digest}
        case PushRecord():
            found = {"artifact.uri": record.uri, "artifact.size_bytes": record.size_bytes}
        case _:
            found = {}
    return found


def _complain(words: str) -> None:
    log.warn(f"{words}; the run goes on without")
