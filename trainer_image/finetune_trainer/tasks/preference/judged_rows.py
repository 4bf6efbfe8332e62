"""Judged answers: a prompt, one answer to it, and whether that is a good one.

A row in plain form is {prompt, completion, label}: two texts, or two lists of messages of which `prompt` ends before
the assistant's turn and `completion` begins with it; the label is a bool.
"""

from typing import Any

from finetune_api.spec.dataset import Columns
from finetune_trainer.data.problems import MissingColumnError, RowError, show
from finetune_trainer.data.template import Template, listed
from finetune_trainer.tasks.chats.chat import checked_messages, checked_turns
from finetune_trainer.tasks.chats.prompt_column import prompt_of, prompt_turns
from finetune_trainer.tasks.preference.preference_rows import check_answer
from finetune_trainer.tasks.text.text_column import required_text

Row = dict[str, Any]

MARKS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def judged_row(values: dict[str, Any], columns: Columns, template: Template | None) -> Row:
    """Return the row in plain form. Raises RowError.

    A chat in the column of messages is taken whole; its last message is the answer.
    """
    if columns.messages in values and template is None:
        chat = checked_messages(values[columns.messages], columns.messages)
        row: Row = {"prompt": chat[:-1], "completion": chat[-1:]}
    elif isinstance(values.get(columns.completion), list):
        turns = prompt_turns(values, columns, template)
        answer = checked_turns(values[columns.completion], columns.completion)
        check_answer(turns, answer, columns.completion)
        row = {"prompt": turns, "completion": answer}
    else:
        completion: Any = required_text(values, columns.completion, "completion")
        prompt = prompt_of(values, columns, template)
        if isinstance(prompt, list):
            completion = [{"role": "assistant", "content": completion}]
        row = {"prompt": prompt, "completion": completion}
    return {**row, "label": _mark(values, columns.label)}


def _mark(values: dict[str, Any], column: str) -> bool:
    """Return whether the answer is marked good; a CSV file and numbers spell it 1 and 0, too."""
    if column not in values:
        hint = f"one that marks the answer; there are {listed(values)}; name it in spec.dataset.columns.label"
        raise MissingColumnError(column, "no such column", hint)
    mark = MARKS.get(str(values[column]).strip().lower())
    if mark is None:
        raise RowError(column, show(values[column]), "true for a good answer, false for a bad one")
    return mark
