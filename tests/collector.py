"""An OTLP collector of the tests' own: keeps the spans that arrive, and draws them as a tree."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REPEATED = ("k8s.namespace", "finetune.job", "finetune.run", "k8s.pod.uid")
WIDTH = 120


@dataclass(frozen=True)
class Received:
    """A span as it arrived; times in seconds since 1970."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: float
    end: float
    attributes: dict[str, Any]
    resource: dict[str, Any]
    error: str | None
    links: tuple[tuple[str, str], ...]


@dataclass
class Collector:
    """What has arrived at an address. headers: of the last request."""

    endpoint: str
    spans: list[Received] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Received:
        (span,) = self.named(name)
        return span

    def tree(self, trace_id: str) -> str:
        """Return a trace as text: a line for each span, with its time, its sender, and the first that it says."""
        spans = sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.start)
        known = {span.span_id for span in spans}
        roots = [span for span in spans if span.parent_id not in known]
        return "\n".join(line for root in roots for line in self._lines(root, spans, 0))

    def _lines(self, span: Received, spans: list[Received], depth: int) -> Iterator[str]:
        service = span.resource.get("service.name", "").removeprefix("finetune-")
        told = [
            f"{name.removeprefix('finetune.')}={_short(value)}"
            for name, value in span.attributes.items()
            if not name.startswith(REPEATED)
        ]
        error = f"ERROR {span.error}" if span.error is not None else ""
        head = f"{'  ' * depth}{span.name}"
        line = "  ".join([f"{head:<14} {span.end - span.start:6.2f} s  {service:<8}", *filter(None, [error]), *told])
        yield line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
        for child in spans:
            if child.parent_id == span.span_id:
                yield from self._lines(child, spans, depth + 1)


@contextmanager
def collector(address: str = "127.0.0.1") -> Iterator[Collector]:
    """Run a collector."""
    found = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.headers = dict(self.headers)
            if self.path == "/v1/traces":
                found.spans += _spans(ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer((address, 0), Handler) as server:
        found.endpoint = f"http://{address}:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Received]:
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Received(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    start=span.start_time_unix_nano / 1e9,
                    end=span.end_time_unix_nano / 1e9,
                    attributes=_values(span.attributes),
                    resource=_values(group.resource.attributes),
                    error=span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                )


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
