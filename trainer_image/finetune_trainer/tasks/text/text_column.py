"""A column that must hold text."""

from typing import Any

from finetune_trainer.data.problems import MissingColumnError, RowError, show
from finetune_trainer.data.template import listed


def required_text(values: dict[str, Any], column: str, field: str) -> str:
    """Return the row's text in `column`, which `spec.dataset.columns.<field>` names.

    Raises MissingColumnError, or RowError for what is no text or blank.
    """
    if column not in values:
        hint = f"one that holds the {field}; there are {listed(values)}; name it in spec.dataset.columns.{field}"
        raise MissingColumnError(column, "no such column", hint)
    if not isinstance(values[column], str):
        raise RowError(column, show(values[column]), "text in quotes")
    if not values[column].strip():
        raise RowError(column, show(values[column]), f"a {field}; remove the row if there is none")
    return str(values[column])
