"""Rows of instructions and questions, as Alpaca, Dolly and LLaMA-Factory have them: parts that are asked together."""

from typing import Any

from finetune_trainer.data.chats import Tell, chat_in, is_chat
from finetune_trainer.data.problems import RowError, show
from finetune_trainer.data.structured import parsed

CONTEXTS = ("input", "context")
SYSTEMS = ("system", "system_prompt")
HISTORY = "history"
HISTORY_SHAPE = "a list of [prompt, answer] pairs"


class Instruction(dict[str, Any]):
    """{instruction}, and what a row has of {context, system, history}, the last a list of [prompt, answer] pairs."""


def instruction_in(values: dict[str, Any], column: str, tell: Tell) -> tuple[Instruction, set[str]]:
    """Return the instruction that a row's column holds with all that belongs to it, and the columns that it stands in.

    Raises RowError for a history that is none.
    """
    found = Instruction(instruction=values[column])
    read = {column}
    context = next((name for name in CONTEXTS if name != column and _text(values.get(name))), None)
    for key, name in (("context", context), ("system", system_column(values))):
        if name:
            found[key] = values[name]
            read.add(name)
    history = _history(values.get(HISTORY), tell)
    if history:
        found["history"] = history
        read.add(HISTORY)
    return found, read


def system_column(values: dict[str, Any]) -> str | None:
    """Return the column in which a row says what the system's message is, if it does."""
    return next((name for name in SYSTEMS if _text(values.get(name))), None)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _history(value: Any, tell: Tell) -> list[list[str]]:
    """Return pairs of earlier prompts and answers, which may be written as a chat or in a text."""
    turns = chat_in(parsed(value, HISTORY, HISTORY_SHAPE), HISTORY, tell) if value else []
    if is_chat(turns):
        texts = [turn.get("content") for turn in turns]
        turns = [texts[index : index + 2] for index in range(0, len(texts), 2)]
    if not isinstance(turns, list) or not all(_is_pair(turn) for turn in turns):
        raise RowError(HISTORY, show(value), HISTORY_SHAPE)
    return [list(turn) for turn in turns]


def _is_pair(turn: Any) -> bool:
    return isinstance(turn, list) and len(turn) == 2 and all(isinstance(text, str) for text in turn)
