"""Sends spans over OTLP from a thread of its own. Imported only where an endpoint is set."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.common import http
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from finetune_api.traces import Attributes, Span, SpanRef

TRACES_PATH = "/v1/traces"
HELD_SPANS = 2048
SEND_INTERVAL_MILLISECONDS = 1000
WORDS_CHARACTERS = 240

# The exporter draws the pauses between its tries; a training draws from the same numbers, and has to get the same ones
# with and without a collector.
http.random = random.Random()


class SpanSender:
    """A bounded queue before a collector. What it cannot take is dropped; headers, certificates and time limits are
    read from OpenTelemetry's own variables. See `open_spans`."""

    def __init__(self, endpoint: str, resource: Attributes, complain: Callable[[str], None]) -> None:
        self._address = _without_credentials(endpoint)
        self._ids = _GivenIds()
        self._lock = threading.Lock()
        self._exporter = _Exporter(OTLPSpanExporter(endpoint.rstrip("/") + TRACES_PATH), self._note)
        self._complain: Callable[[str], None] | None = complain
        self._last_words = _listen()
        self._processor = BatchSpanProcessor(self._exporter, HELD_SPANS, SEND_INTERVAL_MILLISECONDS)
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(resource), id_generator=self._ids, shutdown_on_exit=False
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("finetune.dev")

    def send(self, *spans: Span) -> None:
        """See Spans."""
        with self._lock:
            for span in spans:
                self._send(span)

    def close(self, seconds: float) -> None:
        """See Spans. A collector that did not take what was sent last is not waited for."""
        closing = threading.Thread(target=self._processor.shutdown, name="last-spans", daemon=True)
        closing.start()
        closing.join(seconds if self._exporter.arrives else 0.0)
        if closing.is_alive():
            self._note()
            self._exporter.shutdown()

    def _send(self, span: Span) -> None:
        parent = set_span_in_context(NonRecordingSpan(_context(span.parent)), Context()) if span.parent else Context()
        self._ids.given = span.ref
        made = self._tracer.start_span(
            span.name,
            context=parent,
            attributes=span.attributes,
            links=[Link(_context(span.link))] if span.link else (),
            start_time=_nanoseconds(span.start),
        )
        if span.error is not None:
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(_nanoseconds(max(span.start, span.end)))

    def _note(self) -> None:
        """Complain of spans that have not arrived, unless that was done before."""
        complain, self._complain = self._complain, None
        if complain is not None:
            why = f": {self._last_words.text}" if self._last_words.text else ""
            complain(f"spans do not reach {self._address}{why}"[:WORDS_CHARACTERS])


class _GivenIds(IdGenerator):  # type: ignore[misc]
    """Gives the next span the ids that it is to have."""

    given = SpanRef("1", "1")

    def generate_trace_id(self) -> int:
        return int(self.given.trace_id, 16)

    def generate_span_id(self) -> int:
        return int(self.given.span_id, 16)


class _Exporter(SpanExporter):  # type: ignore[misc]
    """Notes whether spans arrive."""

    def __init__(self, exporter: OTLPSpanExporter, on_failure: Callable[[], None]) -> None:
        self._exporter = exporter
        self._on_failure = on_failure
        self.arrives = True

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self.arrives = result is SpanExportResult.SUCCESS
        if not self.arrives:
            self._on_failure()
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _LastWords(logging.Handler):
    """Keeps what the library complained of, which it would log at each attempt."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        # The reason comes first; then only that it was tried again.
        self.text = self.text or record.getMessage()


def _listen() -> _LastWords:
    handler, library = _LastWords(), logging.getLogger("opentelemetry")
    library.handlers, library.propagate = [handler], False
    return handler


def _context(ref: SpanRef) -> SpanContext:
    return SpanContext(int(ref.trace_id, 16), int(ref.span_id, 16), True, TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def _without_credentials(endpoint: str) -> str:
    """Return where an endpoint is, without credentials that its address may hold."""
    parts = urlsplit(endpoint)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
