"""How the operator logs: one line per event, plain for people or JSON for machines.

`logger.info("status", extra=fields(key=key, phase=phase))` reads `status key=a/b phase=Training`, or is an object with
these fields.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

PLAIN = "%(asctime)s %(levelname)-7s %(message)s"


def fields(**values: Any) -> dict[str, Any]:
    """Return the figures and names of an event, as logging takes them. They may have any names."""
    return {"fields": {name: _plain(value) for name, value in values.items()}}


class PlainFormatter(logging.Formatter):
    """The words of an event, then its fields as name=value."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line without a traceback."""
        told = (f" {name}={value}" for name, value in _fields(record).items())
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
    return dict(getattr(record, "fields", {}))


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else str(value)
