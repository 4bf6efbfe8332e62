"""Chats: a list of {role, content}."""

import json
from typing import Any

from jinja2 import TemplateError

from finetune_trainer.data.chats import SHAPE
from finetune_trainer.data.problems import RowError, show
from finetune_trainer.data.structured import parsed
from finetune_trainer.errors import BadSpec, RefusedRow, UnfitTemplate
from finetune_trainer.tasks.chats.tools import Tools, checked_calls

MODEL_FIELD = "spec.model.source"
ROLES = ("system", "user", "assistant", "tool")

KEPT = ("name", "tool_call_id", "reasoning_content", "thinking")
"""What a message may tell beside role, content and tool_calls; templates read what they know of it."""
TEMPLATE_FIELD = "spec.sft.chatTemplate"

TEMPLATE_ERRORS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a template raises, which is a program: by its own word, or since a chat lacks what it counts on."""

Message = dict[str, Any]


def checked_messages(value: Any, column: str) -> list[Message]:
    """Return the chat if it is one: known roles, texts, and a reply of the assistant to end it. Raises RowError.

    A text (as CSV has it) is read as JSON.
    """
    messages = checked_turns(parsed(value, column, SHAPE), column)
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
    if messages[-1]["role"] != "assistant":
        return None
    content: str | None = messages[-1].get("content")
    return content or json.dumps(messages[-1].get("tool_calls"), ensure_ascii=False)


def holds_chat(row: dict[str, Any]) -> bool:
    """Tell whether a row in plain form is a chat, or has one as its prompt; of an instruction a template makes one."""
    return "messages" in row or isinstance(row.get("prompt"), list | dict)


def chat_ids(messages: list[Message], tokenizer: Any, tools: Tools | None = None, **options: Any) -> list[int]:
    """Return the chat in token ids; with add_generation_prompt, up to where the assistant's next turn begins.

    Raises BadSpec and BadData as `apply_template`.
    """
    ids: list[int] = apply_template(messages, tokenizer, tools, tokenize=True, return_dict=True, **options)["input_ids"]
    return ids


def apply_template(messages: list[Message], tokenizer: Any, tools: Tools | None, **options: Any) -> Any:
    """Return what the tokenizer's `apply_chat_template` makes of the chat.

    Raises BadSpec if the model has no template or one that cannot be used, RefusedRow if it refuses the chat.
    """
    from jinja2 import TemplateSyntaxError

    if tokenizer.chat_template is None:
        raise BadSpec(
            "the data holds chats (messages), but the model has no chat template; use a chat model, or columns prompt"
            " and completion",
            MODEL_FIELD,
        )
    template = template_of(tokenizer, tools)
    for word, present in (("tools", tools), ("tool_calls", any(message.get("tool_calls") for message in messages))):
        if present and word not in template:
            words = f"the data has {word}, which the model's chat template leaves out; set one that has them"
            raise UnfitTemplate(f"{words} in {TEMPLATE_FIELD}, or use a model for tool calls", MODEL_FIELD)
    try:
        return tokenizer.apply_chat_template(messages, tools=tools, **options)
    except TemplateSyntaxError as error:
        words = f"the chat template is not Jinja: line {error.lineno}: {error}; mend the model's, or {TEMPLATE_FIELD}"
        raise BadSpec(words, TEMPLATE_FIELD) from error
    except TEMPLATE_ERRORS as error:
        found = f"{show(messages)}, which the model's chat template refuses: {error}"
        raise RefusedRow.of(found, f"a chat that it takes; mend the chat, or set {TEMPLATE_FIELD}") from error


def template_of(tokenizer: Any, tools: Tools | None) -> str:
    """Return the tokenizer's template for chats with `tools`. Raises BadSpec if it has several and no default."""
    try:
        template: str = tokenizer.get_chat_template(tools=tools)
    except ValueError as error:
        names = ", ".join(sorted(tokenizer.chat_template)) if isinstance(tokenizer.chat_template, dict) else "none"
        raise BadSpec(
            f"the model has several chat templates ({names}) and none that is called default; put the one to use into"
            f" {TEMPLATE_FIELD}, or call it default and upload the tokenizer again",
            TEMPLATE_FIELD,
        ) from error
    return template


def _checked_message(message: Any, index: int, column: str) -> Message:
    where = f"message {index + 1}"
    if not isinstance(message, dict) or "role" not in message or not {"content", "tool_calls"} & message.keys():
        raise RowError(column, f"{show(message)} as {where}", SHAPE)
    role = message["role"]
    if role not in ROLES:
        raise RowError(column, f"role {show(role)} in {where}", f"a role of {', '.join(ROLES)}")
    if role == "system" and index:
        raise RowError(column, f"role 'system' in {where}", "a system message only at the start")
    kept = {key: message[key] for key in KEPT if message.get(key) is not None}
    return {"role": role, **_said(message, where, column), **kept}


def _said(message: Message, where: str, column: str) -> Message:
    """Return the message's content and tool calls, of which the assistant may have either."""
    content, calls = message.get("content"), message.get("tool_calls")
    said: Message = {}
    if calls and message["role"] == "assistant":
        said["tool_calls"] = checked_calls(calls, where, column)
    if content is None and said:
        return said
    if not isinstance(content, str) or not (content.strip() or said or message["role"] == "tool"):
        raise RowError(column, f"content {show(content)} in {where}", "text")
    return {"content": content, **said}
