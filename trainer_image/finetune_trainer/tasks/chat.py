"""Chats: a list of {role, content}."""

import json
from typing import Any

from finetune_trainer.data.problems import RowError, show
from finetune_trainer.errors import BadData, BadSpec

MODEL_FIELD = "spec.model.source"
ROLES = ("system", "user", "assistant", "tool")
SHAPE = 'a list of {"role": …, "content": …}'

Message = dict[str, Any]
Tools = list[dict[str, Any]]


def checked_messages(value: Any, column: str) -> list[Message]:
    """Return the chat if it is one: known roles, texts, and a reply of the assistant to end it. Raises RowError.

    A text (as CSV has it) is read as JSON.
    """
    messages = checked_turns(_from_json(value, column) if isinstance(value, str) else value, column)
    if messages[-1]["role"] != "assistant":
        raise RowError(column, f"a last message by {messages[-1]['role']!r}", "a chat that ends with the assistant's")
    if len(messages) == 1:
        raise RowError(column, "one message only", "a user's message and the assistant's reply")
    return messages


def checked_turns(value: Any, column: str) -> list[Message]:
    """Return the messages of a chat or of a part of one: known roles and texts. Raises RowError."""
    if not isinstance(value, list) or not value:
        raise RowError(column, show(value), SHAPE)
    return [_checked_message(message, index, column) for index, message in enumerate(value)]


def without_last_reply(messages: list[Message]) -> list[Message]:
    """Return the chat up to what the assistant has to reply to."""
    return messages[:-1] if messages[-1]["role"] == "assistant" else messages


def last_reply(messages: list[Message]) -> str | None:
    """Return what the assistant replied at the end, or None if it has not."""
    return messages[-1]["content"] if messages[-1]["role"] == "assistant" else None


def chat_ids(messages: list[Message], tokenizer: Any, tools: Tools | None = None, **options: Any) -> list[int]:
    """Return the chat in token ids; with add_generation_prompt, up to where the assistant's next turn begins.

    Raises BadSpec and BadData as `apply_template`.
    """
    ids: list[int] = apply_template(messages, tokenizer, tools, tokenize=True, return_dict=True, **options)["input_ids"]
    return ids


def apply_template(messages: list[Message], tokenizer: Any, tools: Tools | None, **options: Any) -> Any:
    """Return what the tokenizer's `apply_chat_template` makes of the chat.

    Raises BadSpec if the model has no template, BadData if the template refuses the chat.
    """
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        raise BadSpec(
            "the data holds chats (messages), but the model has no chat template; use a chat model, or columns prompt"
            " and completion",
            MODEL_FIELD,
        )
    try:
        return tokenizer.apply_chat_template(messages, tools=tools, **options)
    except (TemplateError, TypeError) as error:
        words = f"the model's chat template refuses {show(messages)}: {error}"
        raise BadData(words, "spec.dataset.train.source") from error


def _checked_message(message: Any, index: int, column: str) -> Message:
    where = f"message {index + 1}"
    if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
        raise RowError(column, f"{show(message)} as {where}", SHAPE)
    role, content = message["role"], message["content"]
    if role not in ROLES:
        raise RowError(column, f"role {show(role)} in {where}", f"a role of {', '.join(ROLES)}")
    if role == "system" and index:
        raise RowError(column, f"role 'system' in {where}", "a system message only at the start")
    if not isinstance(content, str) or not content.strip():
        raise RowError(column, f"content {show(content)} in {where}", "text")
    return {"role": role, "content": content}


def _from_json(text: str, column: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RowError(column, show(text), f"{SHAPE}, as JSON") from error
