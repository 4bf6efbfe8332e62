"""A column that holds lists or objects, which CSV can only write as JSON."""

import json
from typing import Any

from finetune_trainer.data.problems import RowError, show


def parsed(value: Any, column: str, shape: str) -> Any:
    """Return the value, a text being read as JSON. Raises RowError, which says that `shape` was expected."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise RowError(column, show(value), f"{shape}, as JSON") from error
