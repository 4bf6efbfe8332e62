"""Preference pairs: two answers to the same prompt, the chosen one and the rejected one.

A row in plain form is {prompt, chosen, rejected}: three texts, or three lists of messages of which `prompt` ends before
the assistant's turn and both answers begin with it.
"""

from typing import Any

from finetune_api.spec.dataset import Columns
from finetune_trainer.data.problems import MissingColumnError, RowError, show
from finetune_trainer.data.template import Template, listed
from finetune_trainer.tasks.chats.chat import Message, checked_turns
from finetune_trainer.tasks.chats.prompt_column import prompt_of, prompt_turns
from finetune_trainer.tasks.text.text_column import required_text

Row = dict[str, Any]


def preference_row(
    values: dict[str, Any], columns: Columns, template: Template | None, prompt_required: bool = True
) -> Row:
    """Return the row in plain form. Raises RowError.

    Chats may be whole, the prompt being what chosen and rejected have in common at their start; a column with the
    prompt is not read then. Texts may do without a prompt (it is empty then) unless `prompt_required`.
    """
    chosen, rejected = _value(values, columns.chosen, "chosen"), _value(values, columns.rejected, "rejected")
    if isinstance(chosen, list) != isinstance(rejected, list):
        kinds = ("text", "messages") if isinstance(chosen, list) else ("messages", "text")
        raise RowError(columns.rejected, kinds[0], f"{kinds[1]}, as in column {columns.chosen!r}")
    row = _chats(values, columns, template) if isinstance(chosen, list) else _texts(values, columns, template)
    if row["chosen"] == row["rejected"]:
        raise RowError(columns.rejected, "the same as chosen", "two different answers; remove the row")
    if prompt_required and not row["prompt"]:
        required_text(values, columns.prompt, "prompt")
    return row


def _value(values: dict[str, Any], column: str, field: str) -> Any:
    if column not in values:
        hint = f"one that holds the {field} answer; there are {listed(values)}; name it in spec.dataset.columns.{field}"
        raise MissingColumnError(column, "no such column", hint)
    return values[column]


def _texts(values: dict[str, Any], columns: Columns, template: Template | None) -> Row:
    if template is None and isinstance(values.get(columns.prompt), list):
        raise RowError(columns.prompt, "messages", f"a text, as in column {columns.chosen!r}")
    prompt = prompt_of(values, columns, template) if template or values.get(columns.prompt) else ""
    return {
        "prompt": prompt,
        "chosen": required_text(values, columns.chosen, "chosen"),
        "rejected": required_text(values, columns.rejected, "rejected"),
    }


def _chats(values: dict[str, Any], columns: Columns, template: Template | None) -> Row:
    chosen = checked_turns(values[columns.chosen], columns.chosen)
    rejected = checked_turns(values[columns.rejected], columns.rejected)
    if chosen[0]["role"] == "assistant":
        prompt = prompt_turns(values, columns, template)
    else:
        shared = _shared_turns(chosen, rejected)
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    for answer, column in ((chosen, columns.chosen), (rejected, columns.rejected)):
        check_answer(prompt, answer, column)
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _shared_turns(chosen: list[Message], rejected: list[Message]) -> int:
    """Return how many messages are the prompt: those before the first assistant's turn that differs."""
    pairs = list(zip(chosen, rejected, strict=False))
    first = next((index for index, (left, right) in enumerate(pairs) if left != right), len(pairs))
    while first and (first == len(pairs) or pairs[first - 1][0]["role"] == "assistant"):
        first -= 1
    return first


def check_answer(prompt: list[Message], answer: list[Message], column: str) -> None:
    """Raise RowError unless prompt and answer are a chat that the assistant continues."""
    if not prompt or prompt[-1]["role"] == "assistant":
        found = "a prompt that ends with the assistant's message" if prompt else "no message before the answers"
        raise RowError(column, found, "a prompt that ends with the user's message, the same for both answers")
    if not answer or answer[0]["role"] != "assistant" or answer[-1]["role"] != "assistant":
        raise RowError(column, show(answer), "an answer that begins and ends with the assistant's message")
