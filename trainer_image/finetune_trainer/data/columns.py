"""Columns under the names that the task asks for: what a file calls otherwise is recognised, and told."""

from typing import Any

from finetune_api.dataset import Columns
from finetune_trainer.data.chats import chat_in
from finetune_trainer.log import say

ALIASES: dict[str, tuple[str, ...]] = {
    "messages": ("conversations", "conversation", "dialogue", "dialog", "chat"),
    "prompt": ("instruction", "question", "query", "input"),
    "completion": ("output", "response", "answer", "target"),
    "chosen": ("preferred", "chosen_response", "response_chosen"),
    "rejected": ("dispreferred", "rejected_response", "response_rejected"),
    "text": ("sentence", "content", "document"),
    "label": ("class", "category", "intent", "sentiment"),
    "tokens": ("words",),
    "tags": ("ner_tags", "pos_tags"),
    "source": ("input", "document", "article"),
    "target": ("output", "summary", "highlights", "translation"),
}
"""Other names of a column, the most telling first. Only those that hardly ever mean something else."""
NO_CHATS = {"prompt", "completion", "text", "chosen"}
"""Columns beside which a column of another name is not taken for a chat."""
INSTRUCTION, CONTEXT = "instruction", "input"


CHATS = ("messages", "prompt", "completion", "chosen", "rejected")
"""What may hold chats."""


class ColumnNames:
    """What `spec.dataset.columns` calls the columns. A name other than the default is taken at its word."""

    def __init__(self, columns: Columns) -> None:
        named = columns.model_dump()
        self._aliases = {field: aliases for field, aliases in ALIASES.items() if named.get(field) == field}
        self._used = set(named.values())
        self._chats = {named[field] for field in CHATS}
        self._told: set[str] = set()

    def row(self, values: dict[str, Any]) -> "NamedRow":
        """Return the row so that it answers to the names that the task asks for."""
        return NamedRow(values, self)

    def alias_of(self, column: str, values: dict[str, Any]) -> str | None:
        """Return under which name the row holds a column that it lacks, if it does."""
        names = values.keys()
        if column == "messages" and NO_CHATS & names:
            return None
        return next((name for name in self._aliases.get(column, ()) if name in names and name not in self._used), None)

    def value_under(self, column: str, alias: str, values: dict[str, Any]) -> Any:
        """Return what the row holds under an alias, and tell so once."""
        value, context = dict.__getitem__(values, alias), values.get(CONTEXT)
        if column == "prompt" and alias == INSTRUCTION and isinstance(context, str):
            self._tell(f"column {column} is taken from {alias}, and {CONTEXT} below it where there is one")
            return f"{value}\n\n{context}" if context.strip() else value
        self._tell(f"column {column} is taken from {alias}")
        return value

    def plain(self, column: str, value: Any, actual: str) -> Any:
        """Return the value in the one form that tasks read: chats as lists of {role, content}. Raises RowError."""
        return chat_in(value, actual, self._tell) if column in self._chats else value

    def _tell(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            say("data", words)


class NamedRow(dict[str, Any]):
    """A row that looks for a column under its other names, too, when it is asked for it; it lists its own only."""

    def __init__(self, values: dict[str, Any], names: ColumnNames) -> None:
        super().__init__(values)
        self._names = names

    def __contains__(self, column: object) -> bool:
        return super().__contains__(column) or self._names.alias_of(str(column), self) is not None

    def __getitem__(self, column: str) -> Any:
        return self._names.plain(column, self.unread(column), self._actual(column))

    def get(self, column: str, default: Any = None) -> Any:
        """Return the value of a column, by whichever name, or the default."""
        try:
            return self[column]
        except KeyError:
            return default

    def unread(self, column: str) -> Any:
        """Return the value as the file has it, by whichever name. Raises KeyError."""
        actual = self._actual(column)
        if actual == column:
            return super().__getitem__(column)
        return self._names.value_under(column, actual, self)

    def _actual(self, column: str) -> str:
        if super().__contains__(column):
            return column
        alias = self._names.alias_of(column, self)
        if alias is None:
            raise KeyError(column)
        return alias
