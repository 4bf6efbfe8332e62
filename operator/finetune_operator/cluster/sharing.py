"""One copy of what thousands of objects have in common: each is parsed on its own, down to the names of its fields."""

import sys
from collections import OrderedDict
from typing import Any

REMEMBERED_PARTS = 4_096
LONGEST_TEXT = 256


class Sharing:
    """Replaces parts of plain data by equal ones that it has seen lately. Nobody may change what it returns."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def of(self, value: Any) -> Any:
        """Return an equal value that shares its parts."""
        if isinstance(value, str):
            return sys.intern(value) if len(value) <= LONGEST_TEXT else value
        if isinstance(value, dict):
            fields = {sys.intern(key): self.of(item) for key, item in value.items()}
            # A part keeps what it is made of alive, so that identities are as good as values.
            return self._known((dict, *((key, id(item)) for key, item in fields.items())), fields)
        if isinstance(value, list):
            items = [self.of(item) for item in value]
            return self._known((list, *map(id, items)), items)
        return value

    def _known(self, mark: tuple[Any, ...], part: Any) -> Any:
        known = self._parts.setdefault(mark, part)
        self._parts.move_to_end(mark)
        if len(self._parts) > REMEMBERED_PARTS:
            self._parts.popitem(last=False)
        return known
