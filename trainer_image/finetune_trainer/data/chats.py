"""Chats in the forms that files have them: as text, by ShareGPT's names, with OpenAI's content parts and older keys."""

import re
from collections.abc import Callable
from typing import Any

from finetune_trainer.data.problems import RowError, show
from finetune_trainer.data.structured import looks_structured, parsed

SHAPE = 'a list of {"role": …, "content": …}'
SHARE_GPT_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "function": "tool",
    "observation": "tool",
}
OPENAI_ROLES = {"developer": "system", "function": "tool"}
"""What OpenAI calls a role now, or did formerly."""
CALLING_ROLE = "function_call"
"""ShareGPT's role of what the assistant says when it calls a tool: {name, arguments}, as text."""

BEGINNING = re.compile(r"\s*(\[\s*)?\{\s*['\"]")
ROLE_KEY = re.compile(r"['\"](role|from)['\"]\s*:")

Tell = Callable[[str], None]


def chat_in(value: Any, column: str, tell: Tell) -> Any:
    """Return the chat that a value is, as a list of {role, content, …}, and every value that is no chat as it is.

    A text is a chat if it reads as a list of messages. `tell` takes what a person should know of other names that were
    understood. Raises RowError for a text that begins like a chat and cannot be read.
    """
    messages = _loaded(value, column)
    if not is_chat(messages):
        return value
    if any("from" in message for message in messages):
        tell("messages have from and value, taken for role and content")
    return [_plain(message, column) for message in messages]


def is_chat(value: Any) -> bool:
    """Tell whether a value is a list of messages, well-formed or not."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _loaded(value: Any, column: str) -> Any:
    """Return what a text holds if it begins like a chat; a single message becomes a list, OpenAI's {messages} too."""
    if looks_structured(value) and BEGINNING.match(value) and ROLE_KEY.search(value):
        value = parsed(value, column, SHAPE)
    if isinstance(value, dict) and is_chat(value.get("messages")):
        return value["messages"]
    return [value] if _is_message(value) else value


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and ("role" in value or {"from", "value"} <= value.keys())


def _plain(message: dict[str, Any], column: str) -> dict[str, Any]:
    """Return a message with the keys role and content, its content a text where it is text in parts."""
    spoken = dict(message)
    role = spoken.pop("from", None) if "role" not in spoken else spoken["role"]
    content = spoken.pop("value", None) if "content" not in spoken else spoken["content"]
    if role == CALLING_ROLE:
        calls = parsed(content, column, 'a call, {"name": …, "arguments": …}')
        return {**spoken, "role": "assistant", "tool_calls": calls if isinstance(calls, list) else [calls]}
    call = spoken.pop("function_call", None)
    if call and not spoken.get("tool_calls"):
        spoken["tool_calls"] = [call]
    names = OPENAI_ROLES if "role" in message else SHARE_GPT_ROLES
    role = names.get(role, role) if isinstance(role, str) else role
    said = {} if content is None and "content" not in message else {"content": _joined(content, column)}
    return {**spoken, "role": role, **said}


def _joined(content: Any, column: str) -> Any:
    """Return OpenAI's content parts as one text. Raises RowError for parts that are no text."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, str | dict) or (isinstance(part, dict) and not isinstance(part.get("text"), str)):
            kind = part.get("type") if isinstance(part, dict) else None
            found = f"a part of type {kind!r} in a message" if kind else f"{show(part)} as a part of a message"
            raise RowError(column, found, 'text; parts are read as {"type": "text", "text": …}')
    return "".join(part if isinstance(part, str) else part["text"] for part in content)
