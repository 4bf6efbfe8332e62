"""Tools that the assistant may call, and its calls, in the form that chat templates read."""

from typing import Any

from finetune_trainer.data.problems import RowError, show
from finetune_trainer.tasks.json_column import parsed

TOOLS_SHAPE = 'a list of {"type": "function", "function": {"name": …, "parameters": …}}'
CALLS_SHAPE = 'a list of {"type": "function", "function": {"name": …, "arguments": {…}}}'

Tools = list[dict[str, Any]]


def checked_tools(value: Any, column: str) -> Tools | None:
    """Return the tools of a row, or None if it has none. Raises RowError for what describes no tools."""
    tools = parsed(value or None, column, TOOLS_SHAPE)
    if not tools:
        return None
    if not isinstance(tools, list) or not all(_named_function(tool) for tool in tools):
        raise RowError(column, show(tools), TOOLS_SHAPE)
    return tools


def checked_calls(value: Any, where: str, column: str) -> list[dict[str, Any]]:
    """Return the calls of a message; arguments that are a text, as OpenAI has them, become an object.

    Raises RowError.
    """
    if not isinstance(value, list) or not value or not all(_named_function(call) for call in value):
        raise RowError(column, f"tool_calls {show(value)} in {where}", CALLS_SHAPE)
    return [_with_parsed_arguments(call, where, column) for call in value]


def _named_function(entry: Any) -> bool:
    function = entry.get("function") if isinstance(entry, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _with_parsed_arguments(call: dict[str, Any], where: str, column: str) -> dict[str, Any]:
    arguments = parsed(call["function"].get("arguments") or {}, column, CALLS_SHAPE)
    if not isinstance(arguments, dict):
        raise RowError(column, f"arguments {show(arguments)} in {where}", "an object of names and values")
    return {**call, "function": {**call["function"], "arguments": arguments}}
