"""How the operator logs: one line per event, plain for people or JSON for machines.

`logger.info("status", extra=fields(phase=phase))` reads `status phase=Training`, or is an object with this field. What
is done for one FineTuneJob is `about` it: each line of that has its namespace and name, its run and attempt.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_ABOUT: ContextVar[dict[str, Any]] = ContextVar("about")
TRACE = "trace_id"
"""A field for machines, by which Grafana leads from a line to a trace."""
PLAIN = "%(asctime)s %(levelname)-7s %(message)s"


def fields(**values: Any) -> dict[str, Any]:
    """Return the figures and names of an event, as logging takes them. They may have any names."""
    return {"fields": {name: _plain(value) for name, value in values.items()}}


@contextmanager
def about(**values: Any) -> Iterator[None]:
    """Let every line that is logged within, and by tasks that begin within, have these fields; None is left out."""
    token = _ABOUT.set({})
    try:
        learn(**values)
        yield
    finally:
        _ABOUT.reset(token)


def learn(**values: Any) -> None:
    """Let the lines from here on have these fields, too, until `about` ends."""
    known = {name: _plain(value) for name, value in values.items() if value is not None}
    _ABOUT.set({**_ABOUT.get({}), **known})


class PlainFormatter(logging.Formatter):
    """The words of an event, then its fields as name=value."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line without a traceback."""
        told = (f" {name}={value}" for name, value in _fields(record).items() if name != TRACE)
        return super().formatMessage(record) + "".join(told)


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        entry = {
            **_fields(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure(log_format: str, level: str) -> None:
    """Send all logs to standard error; libraries only speak up when something is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else PlainFormatter(PLAIN))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("finetune_operator").setLevel(level.upper())


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {**_ABOUT.get({}), **getattr(record, "fields", {})}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else str(value)
