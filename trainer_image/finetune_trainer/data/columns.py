"""Columns under the names that the task asks for: what a file calls otherwise is recognised, and told."""

from typing import Any

from finetune_api.spec.dataset import Columns
from finetune_trainer.data.chats import chat_in, is_chat
from finetune_trainer.data.instructions import Instruction, instruction_in, system_column
from finetune_trainer.data.unread import Unread
from finetune_trainer.log import say

ALIASES: dict[str, tuple[str, ...]] = {
    "messages": ("conversations", "conversation", "dialogue", "dialog", "chat"),
    "prompt": ("instruction", "question", "query", "input", "conversations"),
    "completion": ("output", "response", "answer", "target"),
    "tools": ("functions",),
    "chosen": ("preferred", "preferred_output", "chosen_response", "response_chosen"),
    "rejected": ("dispreferred", "non_preferred_output", "rejected_response", "response_rejected"),
    "text": ("sentence", "content", "document"),
    "label": ("class", "category", "intent", "sentiment"),
    "tokens": ("words",),
    "tags": ("ner_tags", "pos_tags"),
    "source": ("instruction", "input", "document", "article"),
    "target": ("output", "summary", "highlights", "translation"),
}
"""Other names of a column, the most telling first. Only those that hardly ever mean something else."""
NO_CHATS = {"prompt", "completion", "text", "chosen"}
"""Columns beside which a column of another name is not taken for a chat."""
CHATS = ("messages", "prompt", "completion", "chosen", "rejected")
"""What may hold chats."""
INSTRUCTION, INPUT = "instruction", "input"
ASKED = "prompts by other names are put into the model's chat template, or into a stated prompt where it has none"


class ColumnNames:
    """What `spec.dataset.columns` calls the columns. A name other than the default is taken at its word."""

    def __init__(self, columns: Columns) -> None:
        named = columns.model_dump()
        self.unread = Unread()
        self._aliases = {field: aliases for field, aliases in ALIASES.items() if named.get(field) == field}
        self._used = set(named.values())
        self._chats = {named[field] for field in CHATS}
        self._messages = columns.messages
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

    def read(self, column: str, actual: str, values: dict[str, Any]) -> Any:
        """Return a column's value in the one form that tasks read; `actual` is its name in the file. Raises RowError.

        Chats are lists of {role, content}. A prompt that the file has under another name is an instruction.
        """
        value = chat_in(values[actual], actual, self._tell) if column in self._chats else values[actual]
        self.unread.mark(actual)
        if is_chat(value):
            self.unread.meet_chat(actual, value)
            value = self._with_system(value, values) if column == self._messages else value
        if column == actual:
            return value
        self._tell_alias(column, actual, values)
        if column == "prompt" and isinstance(value, str):
            return self.instruction(actual, values)
        if column == "source" and actual == INSTRUCTION and str(values.get(INPUT) or "").strip():
            self.unread.mark(INPUT)
            return f"{value}\n\n{values[INPUT]}"
        return value

    def instruction(self, actual: str, values: dict[str, Any]) -> Instruction:
        """Return the instruction in a row's column with all that belongs to it. Raises RowError."""
        self._tell(ASKED)
        found, columns = instruction_in(values, actual, self._tell)
        self.unread.mark(*columns)
        return found

    def _with_system(self, messages: list[dict[str, Any]], values: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the chat with the system's message that stands in a column of its own, if it has none itself."""
        column = system_column(values)
        if column is None or messages[0].get("role") == "system":
            return messages
        self.unread.mark(column)
        self._tell(f"the system's message is taken from {column}")
        return [{"role": "system", "content": values[column]}, *messages]

    def _tell_alias(self, column: str, actual: str, values: dict[str, Any]) -> None:
        below = f", and {INPUT} below it where there is one" if actual == INSTRUCTION and INPUT in values else ""
        self._tell(f"column {column} is taken from {actual}{below}")

    def _tell(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            say("data", words)


class NamedRow(dict[str, Any]):
    """A row that looks for a column under its other names, too, when it is asked for it; it lists its own only."""

    def __init__(self, values: dict[str, Any], names: ColumnNames) -> None:
        super().__init__(values)
        self._names = names
        self._values = values

    def __contains__(self, column: object) -> bool:
        return super().__contains__(column) or self._names.alias_of(str(column), self) is not None

    def __getitem__(self, column: str) -> Any:
        return self._names.read(column, self.name_of(column), self._values)

    def get(self, column: str, default: Any = None) -> Any:
        """Return the value of a column, by whichever name, or the default."""
        try:
            return self[column]
        except KeyError:
            return default

    def plain(self, column: str) -> Any:
        """Return the value as the file has it, by whichever name. Raises KeyError."""
        actual = self.name_of(column)
        self._names.unread.mark(actual)
        return self._values[actual]

    def name_of(self, column: str) -> str:
        """Return the name that a column has in the file. Raises KeyError."""
        if super().__contains__(column):
            return column
        alias = self._names.alias_of(column, self)
        if alias is None:
            raise KeyError(column)
        return alias

    def as_instruction(self, column: str) -> Instruction:
        """Return the text in a column as an instruction, with all that belongs to it. Raises RowError."""
        return self._names.instruction(self.name_of(column), self._values)

    def mark_key(self, column: str, key: str) -> None:
        """Note that a key of the messages in a column is read."""
        self._names.unread.mark_key(self.name_of(column), key)
