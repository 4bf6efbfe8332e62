"""Where spans go: to a collector if an endpoint is set, else nowhere."""

import secrets
from collections.abc import Callable
from typing import Protocol

from finetune_api.traces import Attributes, Span, SpanRef


class Spans(Protocol):
    """Takes spans."""

    def send(self, *spans: Span) -> None:
        """Take spans, and return at once. May be called from several threads."""

    def close(self, seconds: float) -> None:
        """Let what was taken get away, for at most this time."""


class NoSpans:
    """Where no endpoint is set."""

    def send(self, *spans: Span) -> None:
        """See Spans."""

    def close(self, seconds: float) -> None:
        """See Spans."""


def open_spans(endpoint: str, resource: Attributes, complain: Callable[[str], None]) -> Spans:
    """Return where spans go; nothing waits for the collector, or fails with it.

    endpoint: the collector's base address, empty for none. resource: what the sender is, by OpenTelemetry's names; what
    OTEL_RESOURCE_ATTRIBUTES says is added. complain: told once, in words, if spans cannot be sent.
    """
    if not endpoint:
        return NoSpans()
    from finetune_api.span_sender import SpanSender

    return SpanSender(endpoint, resource, complain)


def new_ref(trace: str | None = None) -> SpanRef:
    """Return a new span, of this trace or of a new one."""
    return SpanRef(trace or secrets.token_hex(16), secrets.token_hex(8))
