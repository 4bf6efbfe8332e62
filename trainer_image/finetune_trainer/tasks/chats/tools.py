"""Tools that the assistant may call, and its calls, in the form that chat templates read."""

from typing import Any

from finetune_trainer.data.problems import RowError, show
from finetune_trainer.data.structured import looks_structured, parsed

TOOLS_SHAPE = 'a list of {"type": "function", "function": {"name": …, "parameters": …}}'
CALLS_SHAPE = 'a list of {"type": "function", "function": {"name": …, "arguments": {…}}}'
MEANT_NULLS = ("default", "const", "enum", "examples")
"""Keys of a JSON schema whose values may be null; elsewhere a null says only that a table had room for the key."""

Tools = list[dict[str, Any]]


def checked_tools(value: Any, column: str) -> Tools | None:
    """Return the tools of a row, or None if it has none. Raises RowError for what describes no tools."""
    tools = _wrapped(parsed(value or None, column, TOOLS_SHAPE), ("parameters", "description"), column, TOOLS_SHAPE)
    if not tools:
        return None
    if not isinstance(tools, list) or not all(_named_function(tool) for tool in tools):
        raise RowError(column, show(tools), TOOLS_SHAPE)
    return [_schema({**tool, "function": _with_read_parameters(tool["function"], column)}) for tool in tools]


def checked_calls(value: Any, where: str, column: str) -> list[dict[str, Any]]:
    """Return the calls of a message; arguments that are a text, as OpenAI has them, become an object.

    Raises RowError.
    """
    calls = _wrapped(parsed(value, column, CALLS_SHAPE), ("arguments",), column, CALLS_SHAPE)
    if not isinstance(calls, list) or not calls or not all(_named_function(call) for call in calls):
        raise RowError(column, f"tool_calls {show(value)} in {where}", CALLS_SHAPE)
    return [_with_parsed_arguments(call, where, column) for call in calls]


def with_own_arguments(messages: list[dict[str, Any]], tools: Tools) -> list[dict[str, Any]]:
    """Return the messages without null arguments that the called tool does not have.

    A table of calls to several tools has room for the arguments of all, and is written as JSON with nulls for them.
    """
    known = {tool["function"]["name"]: _properties(tool) for tool in tools}
    return [
        {**message, "tool_calls": [_own(call, known.get(call["function"]["name"])) for call in message["tool_calls"]]}
        if "tool_calls" in message
        else message
        for message in messages
    ]


def _properties(tool: dict[str, Any]) -> set[str] | None:
    parameters = tool["function"].get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    return set(properties) if isinstance(properties, dict) else None


def _own(call: dict[str, Any], known: set[str] | None) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    kept = {key: value for key, value in arguments.items() if value is not None or known is None or key in known}
    return {**call, "function": {**call["function"], "arguments": kept}}


def _wrapped(entries: Any, told_by: tuple[str, ...], column: str, shape: str) -> Any:
    """Return tools or calls, each a text being read, and bare functions, {name, …}, being wrapped."""
    if not isinstance(entries, list):
        return entries
    read = [parsed(entry, column, shape) if looks_structured(entry) else entry for entry in entries]
    return [
        {"type": "function", "function": entry}
        if isinstance(entry, dict) and "function" not in entry and any(key in entry for key in told_by)
        else entry
        for entry in read
    ]


def _with_read_parameters(function: dict[str, Any], column: str) -> dict[str, Any]:
    parameters = function.get("parameters")
    return {**function, "parameters": parsed(parameters, column, TOOLS_SHAPE)} if parameters else function


def _schema(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: inner if key in MEANT_NULLS else _schema(inner)
            for key, inner in value.items()
            if inner is not None or key in MEANT_NULLS
        }
    return [_schema(inner) for inner in value] if isinstance(value, list) else value


def _named_function(entry: Any) -> bool:
    function = entry.get("function") if isinstance(entry, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _with_parsed_arguments(call: dict[str, Any], where: str, column: str) -> dict[str, Any]:
    arguments = parsed(call["function"].get("arguments") or {}, column, CALLS_SHAPE)
    if not isinstance(arguments, dict):
        raise RowError(column, f"arguments {show(arguments)} in {where}", "an object of names and values")
    return {**call, "function": {**call["function"], "arguments": arguments}}
