"""Columns under the names that the task asks for: what a file calls otherwise is recognised, and told."""

from typing import Any

from finetune_api.dataset import Columns
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
SHARE_GPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
NO_CHATS = {"prompt", "completion", "text", "chosen"}
"""Columns beside which a column of another name is not taken for a chat."""
INSTRUCTION, CONTEXT = "instruction", "input"


class ColumnNames:
    """What `spec.dataset.columns` calls the columns. A name other than the default is taken at its word."""

    def __init__(self, columns: Columns) -> None:
        named = columns.model_dump()
        self._messages = columns.messages
        self._aliases = {field: aliases for field, aliases in ALIASES.items() if named.get(field) == field}
        self._used = set(named.values())
        self._told: set[str] = set()

    def row(self, values: dict[str, Any]) -> "NamedRow":
        """Return the row so that it answers to the names that the task asks for."""
        if self._messages in values:
            values = {**values, self._messages: self._chat(values[self._messages])}
        return NamedRow(values, self)

    def alias_of(self, column: str, values: dict[str, Any]) -> str | None:
        """Return under which name the row holds a column that it lacks, if it does."""
        names = values.keys()
        if column == "messages" and NO_CHATS & names:
            return None
        return next((name for name in self._aliases.get(column, ()) if name in names and name not in self._used), None)

    def value_of(self, column: str, alias: str, values: dict[str, Any]) -> Any:
        """Return what the row holds under an alias, and tell so once."""
        value, context = values[alias], values.get(CONTEXT)
        if column == "prompt" and alias == INSTRUCTION and isinstance(context, str):
            self._tell(f"column {column} is taken from {alias}, and {CONTEXT} below it where there is one")
            return f"{value}\n\n{context}" if context.strip() else value
        self._tell(f"column {column} is taken from {alias}")
        return self._chat(value) if column == "messages" else value

    def _chat(self, messages: Any) -> Any:
        """Return messages of {from, value} as {role, content}, and all else as it is."""
        if not isinstance(messages, list) or not messages or not all(map(_is_share_gpt, messages)):
            return messages
        self._tell("messages have from and value, taken for role and content")
        return [
            {"role": SHARE_GPT_ROLES.get(message["from"], message["from"]), "content": message["value"]}
            for message in messages
        ]

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

    def __missing__(self, column: str) -> Any:
        alias = self._names.alias_of(column, self)
        if alias is None:
            raise KeyError(column)
        return self._names.value_of(column, alias, self)

    def get(self, column: str, default: Any = None) -> Any:
        """Return the value of a column, by whichever name, or the default."""
        try:
            return self[column]
        except KeyError:
            return default


def _is_share_gpt(message: Any) -> bool:
    return isinstance(message, dict) and {"from", "value"} <= message.keys() and "role" not in message
