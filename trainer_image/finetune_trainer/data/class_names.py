"""Numbers that stand for classes, whose names a file holds beside them."""

from collections.abc import Callable
from typing import Any

NO_CLASS = -1
"""What the Hub's datasets have where a row has no label."""


class Nameless(int):
    """A number that stands for no class of its column: -1, or one beyond the names."""


def class_namers(features: Any) -> dict[str, Callable[[Any], Any]]:
    """Return for each column of class numbers what turns its values into names, by the Hub's description of columns."""
    if not isinstance(features, dict):
        return {}
    return {column: _namer(names) for column, feature in features.items() if (names := _names_in(feature))}


def _names_in(feature: Any) -> list[str]:
    """Return the names of a class column, or of a list of classes; empty for all else."""
    inner = feature[0] if isinstance(feature, list) and len(feature) == 1 else feature
    inner = inner.get("feature", inner) if isinstance(inner, dict) else {}
    named = isinstance(inner, dict) and inner.get("_type") == "ClassLabel" and isinstance(inner.get("names"), list)
    return [str(name) for name in inner["names"]] if named else []


def _namer(names: list[str]) -> Callable[[Any], Any]:
    def name_of(value: Any) -> Any:
        if isinstance(value, list):
            return [name_of(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int):
            return value
        return names[value] if 0 <= value < len(names) else Nameless(value)

    return name_of
