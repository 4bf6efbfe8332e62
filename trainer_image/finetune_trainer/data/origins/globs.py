"""Patterns in the path of a source: * stands for any characters but a slash, ** for folders in any depth."""

import re

from finetune_api.parts.sources import Source

WILDCARD = "*"


def split_pattern(source: Source) -> tuple[Source, str | None]:
    """Return the folder that a source names for certain, and the pattern below it; None where it names one file."""
    parts = source.path.split("/")
    first = next((index for index, part in enumerate(parts) if WILDCARD in part), None)
    if first is None:
        return source, None
    folder = Source(source.scheme, source.container, "/".join(parts[:first]))
    return folder, "/".join(parts[first:])


def matches_pattern(path: str, pattern: str) -> bool:
    """Tell whether a path matches. A part that begins with a wildcard does not match hidden files."""
    expression = "/".join(_part(part) for part in pattern.split("/")).replace(f"{_ANY_DEPTH}/", _ANY_DEPTH)
    return re.fullmatch(expression, path) is not None


_ANY_DEPTH = "(?:[^/.][^/]*/)*"


def _part(part: str) -> str:
    if part == "**":
        return _ANY_DEPTH
    hidden = "(?![.])" if part.startswith(WILDCARD) else ""
    return hidden + re.escape(part).replace(r"\*", "[^/]*")
