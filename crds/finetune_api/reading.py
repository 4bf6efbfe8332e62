"""Reads documents that another release may have written: what is not understood is passed over, and nothing else."""

from copy import deepcopy
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)

_GONE = object()
_TOO_LONG = ("too_long", "string_too_long")


def readable(model: type[Model], data: Any) -> Model | None:
    """Return as much of JSON-ready `data` as the model understands, None when it cannot do without the rest.

    An unknown field, an unknown word or a value of another type goes alone, at any depth; a block goes only where it
    lacks something that it cannot be without. What is too long is cut.
    """
    while data is not None:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            data = _understood(data, error.errors(include_url=False))
    return None


def _understood(data: Any, errors: list[ErrorDetails]) -> Any:
    root = [deepcopy(data)]
    for error in errors:
        holder, key = _place(root, error["loc"])
        value = holder[key]
        is_too_long = error["type"] in _TOO_LONG and isinstance(value, str | list | dict)
        holder[key] = _cut(value, error["ctx"]["max_length"]) if is_too_long else _GONE
    return next(iter(_present(root)), None)


def _place(root: list[Any], location: tuple[int | str, ...]) -> tuple[Any, Any]:
    """Return holder and key of the innermost part of `location` that is there: for a missing field, its block."""
    holder: Any = root
    key: Any = 0
    for part in location:
        found = holder[key]
        is_there = part in found if isinstance(found, dict) else isinstance(found, list) and isinstance(part, int)
        if not is_there:
            break
        holder, key = found, part
    return holder, key


def _cut(value: str | list[Any] | dict[str, Any], length: int) -> Any:
    return dict(list(value.items())[:length]) if isinstance(value, dict) else value[:length]


def _present(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _present(value) for key, value in data.items() if value is not _GONE}
    if isinstance(data, list):
        return [_present(value) for value in data if value is not _GONE]
    return data
