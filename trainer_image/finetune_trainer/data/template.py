"""`spec.dataset.template`: an input text built from columns, such as 'Title: {title} Review: {body}'."""

from string import Formatter
from typing import Any

from finetune_trainer.data.columns import NamedRow
from finetune_trainer.data.problems import MissingColumnError, RowError, show
from finetune_trainer.errors import BadSpec

FIELD = "spec.dataset.template"


class Template:
    """A parsed template: literal texts, each followed by a column's name or by nothing."""

    def __init__(self, text: str) -> None:
        """Parse. Raises BadSpec for single braces, for no placeholder, and for more than a name between braces."""
        try:
            parts = list(Formatter().parse(text))
        except ValueError as error:
            raise BadSpec(f"{FIELD}: {error}; write literal braces doubled, {{{{ and }}}}", FIELD) from error
        for _, column, format_spec, conversion in parts:
            if column == "" or format_spec or conversion:
                raise BadSpec(f"{FIELD}: between braces stands a column's name only, such as {{title}}", FIELD)
        self._parts = [(literal, column) for literal, column, _, _ in parts]
        self.columns = tuple(dict.fromkeys(column for _, column in self._parts if column))
        if not self.columns:
            raise BadSpec(f"{FIELD}: names no column, so every row would be the same; add {{column}}", FIELD)

    def fill(self, values: dict[str, Any]) -> str:
        """Return the text for a row. Raises RowError for a column that is missing, empty of type or nested."""
        return "".join(literal + (_as_text(values, column) if column else "") for literal, column in self._parts)


def _as_text(values: dict[str, Any], column: str) -> str:
    if column not in values:
        raise MissingColumnError(column, "no such column", f"a column that {FIELD} names; there are {listed(values)}")
    value = values.plain(column) if isinstance(values, NamedRow) else values[column]
    if isinstance(value, str | int | float):
        return str(value)
    raise RowError(column, show(value), "text or a number")


def listed(values: dict[str, Any]) -> str:
    """Return the names of a row's columns, for a message."""
    return ", ".join(name if name and name == name.strip() else repr(name) for name in values) or "none"
