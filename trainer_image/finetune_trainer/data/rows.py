"""The rows that stage Data stored, for the stages after it."""

import json
from pathlib import Path
from typing import Any


def load_rows(path: Path) -> list[dict[str, Any]]:
    """Return the stored rows, in the task's plain form."""
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]
