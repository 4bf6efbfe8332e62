"""What a file says and the task does not read: told column by column, so that no meaning is dropped without a word."""

from collections import Counter
from typing import Any

from finetune_trainer.data.blanks import is_blank
from finetune_trainer.log import say

TELLING = {
    *("system", "system_prompt", "history", "context", "input", "instruction", "question", "documents", "knowledge"),
    *("tools", "functions", "weight", "weights", "loss", "loss_mask", "train", "images", "image", "audio", "videos"),
    *("text_pair", "sentence2", "premise", "hypothesis"),
    *("thinking", "reasoning", "reasoning_content", "tool_calls", "refusal"),
}
"""Names of columns, and of keys of messages, by which a row means something else than without them."""
READ_KEYS = {"role", "content", "name", "tool_call_id", "reasoning_content", "thinking", "tool_calls"}
SHOWN_COLUMNS = 10


class Unread:
    """Counts the rows of one part of the dataset that hold something in each column, and notes which were read."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._read: set[str] = set()

    def meet(self, held: list[str], values: dict[str, Any]) -> None:
        """Take note of a row and of the columns in which it holds something; an empty list says nothing."""
        self._held.update(held)
        for name in TELLING.intersection(held):
            self._held[name] -= values[name] == []

    def meet_chat(self, column: str, messages: list[dict[str, Any]]) -> None:
        """Take note of a chat's keys beside those that are read."""
        others = {key for message in messages for key, value in message.items() if not is_blank(value)} - READ_KEYS
        self._held.update(_key(column, key) for key in others)

    def mark(self, *columns: str) -> None:
        """Note that columns are read."""
        self._read.update(columns)

    def mark_key(self, column: str, key: str) -> None:
        """Note that a key of a chat's messages is read."""
        self._read.add(_key(column, key))

    def warnings(self, block: str) -> list[str]:
        """Return what to warn of; other columns are told in the log."""
        unread = {name: rows for name, rows in self._held.items() if rows and name not in self._read}
        telling = [f"{name} ({rows} rows)" for name, rows in unread.items() if name.rpartition(".")[2] in TELLING]
        others = [name for name in unread if name.rpartition(".")[2] not in TELLING]
        if others:
            more = ", …" if len(others) > SHOWN_COLUMNS else ""
            say("data", f"{block}: not read: {', '.join(others[:SHOWN_COLUMNS])}{more}")
        return [f"{block}: not read by this task, and so not learnt: {', '.join(telling)}"] if telling else []


def _key(column: str, key: str) -> str:
    return f"{column}[].{key}"
