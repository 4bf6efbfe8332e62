"""What a row asks the model: a text, a chat up to the assistant's turn, or an instruction."""

from typing import Any

from finetune_api.spec.dataset import Columns
from finetune_trainer.data.instructions import Instruction
from finetune_trainer.data.problems import RowError
from finetune_trainer.data.template import Template
from finetune_trainer.tasks.chats.chat import Message, checked_turns
from finetune_trainer.tasks.chats.instructions import as_chat, checked_instruction
from finetune_trainer.tasks.chats.prompts import Prompt
from finetune_trainer.tasks.text.text_column import required_text


def prompt_of(values: dict[str, Any], columns: Columns, template: Template | None) -> Prompt:
    """Return the row's prompt. Raises RowError."""
    if template:
        return template.fill(values)
    value = values.get(columns.prompt)
    if isinstance(value, Instruction):
        return checked_instruction(value, columns.prompt)
    if not isinstance(value, list):
        return required_text(values, columns.prompt, "prompt")
    turns = checked_turns(value, columns.prompt)
    if turns[-1]["role"] == "assistant":
        found = "a prompt that ends with the assistant's message"
        raise RowError(columns.prompt, found, "one that ends with the user's message")
    return turns


def prompt_turns(values: dict[str, Any], columns: Columns, template: Template | None) -> list[Message]:
    """Return the prompt's messages; a prompt that is text is the user's only message. Raises RowError."""
    if template is None and isinstance(values.get(columns.prompt), list):
        return checked_turns(values[columns.prompt], columns.prompt)
    prompt = prompt_of(values, columns, template)
    return as_chat(prompt) if isinstance(prompt, dict) else [{"role": "user", "content": str(prompt)}]
