"""A row as a file has it, before anything is asked of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from finetune_trainer.data.problems import Problems


@dataclass(frozen=True)
class RawRow:
    """Values by column name. `number` is the row's line, or how many rows come up to it."""

    number: int
    values: dict[str, Any]


Reader = Callable[[BinaryIO, Problems], Iterator[RawRow]]
