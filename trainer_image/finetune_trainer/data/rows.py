"""Checked rows in a file: written one by one, and read back one by one, however many there are."""

import json
import mmap
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, overload

Row = dict[str, Any]
OFFSET: Final = "q"
"""Offsets into the file of rows are kept as 64-bit integers."""


class RowWriter:
    """Writes rows as JSON lines to `path`, and where each begins to an index beside it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.count = 0
        self._rows = path.open("wb")
        self._index = index_of(path).open("wb")
        self._end = 0

    def append(self, row: Row) -> None:
        """Write a row."""
        self.append_line(json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str).encode() + b"\n")

    def append_line(self, line: bytes) -> None:
        """Write a row that is JSON already, with its line end."""
        self._rows.write(line)
        self._index.write(array(OFFSET, [self._end]).tobytes())
        self._end += len(line)
        self.count += 1

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._index.write(array(OFFSET, [self._end]).tobytes())
        self._rows.close()
        self._index.close()


class StoredRows(Sequence[Row]):
    """The rows of a file that RowWriter wrote: a sequence that holds none of them in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets = memoryview(_mapped(index_of(path))).cast("B").cast(OFFSET)
        self._content = _mapped(path) if len(self) else b""

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        row: Row = json.loads(self.line(range(len(self))[index]))
        return row

    def __iter__(self) -> Iterator[Row]:
        return (self[index] for index in range(len(self)))

    def line(self, index: int) -> bytes:
        """Return a row as it is written."""
        return self._content[self._offsets[index] : self._offsets[index + 1]]

    def batches(self, size: int) -> Iterator[list[Row]]:
        """Yield all rows in lists of `size`."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def copy_to(self, path: Path, order: Iterable[int]) -> int:
        """Write the rows with these indices to another file; return how many."""
        with RowWriter(path) as writer:
            for index in order:
                writer.append_line(self.line(index))
        return writer.count

    def delete(self) -> None:
        """Remove the files."""
        index_of(self.path).unlink()
        self.path.unlink()


def load_rows(path: Path) -> StoredRows:
    """Return the stored rows, in the task's plain form."""
    return StoredRows(path)


def index_of(path: Path) -> Path:
    """Return the file that says where each row of `path` begins, and where the last ends."""
    return path.with_name(f"{path.name}.index")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
