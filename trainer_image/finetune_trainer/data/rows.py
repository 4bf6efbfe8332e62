"""Checked rows in a file: written one by one, and read back one by one, however many there are."""

import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Any, Final, overload

Row = dict[str, Any]
INTEGER: Final = "q"
"""The index consists of 64-bit integers."""
FIELDS = 3
"""Of each row the index has the offset in the file of rows, the number of the file that it came from, and its line."""
ENTRY = Struct(f"={FIELDS}{INTEGER}")
NOWHERE = (-1, -1)


@dataclass(frozen=True)
class Place:
    """Where a row came from: a line of a file; `unit` is what is counted there, line or row."""

    file: str
    unit: str
    number: int


class RowWriter:
    """Writes rows as JSON lines to `path`, and beside it an index of where each begins and where it came from.

    `files` names the files that rows come from, with their units.
    """

    def __init__(self, path: Path, files: Sequence[tuple[str, str]] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        names_of(path).write_text(json.dumps(list(files)))
        self.path = path
        self.count = 0
        self._rows = path.open("wb")
        self._index = index_of(path).open("wb")
        self._end = 0

    def append(self, row: Row, place: tuple[int, int] = NOWHERE) -> None:
        """Write a row, and the numbers of the file and of the line that it came from.

        Raises UnicodeEncodeError for a text with half of a character.
        """
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str).encode() + b"\n"
        self.append_line(line, place)

    def append_line(self, line: bytes, place: tuple[int, int] = NOWHERE) -> None:
        """Write a row that is JSON already, with its line end."""
        self._rows.write(line)
        self._index.write(ENTRY.pack(self._end, *place))
        self._end += len(line)
        self.count += 1

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._index.write(ENTRY.pack(self._end, *NOWHERE))
        self._rows.close()
        self._index.close()


class StoredRows(Sequence[Row]):
    """The rows of a file that RowWriter wrote: a sequence that holds none of them in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index = memoryview(_mapped(index_of(path))).cast("B").cast(INTEGER)
        self._content = _mapped(path) if len(self) else b""

    def __len__(self) -> int:
        return len(self._index) // FIELDS - 1

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
        return (json.loads(self.line(index)) for index in range(len(self)))

    def line(self, index: int) -> bytes:
        """Return a row as it is written."""
        return self._content[self._index[FIELDS * index] : self._index[FIELDS * (index + 1)]]

    def place(self, index: int) -> Place:
        """Return where a row came from; where that was not noted, it is the file of rows itself."""
        file, number = self._place(index)
        return Place(str(self.path), "row", index + 1) if file < 0 else Place(*self._files()[file], number)

    def batches(self, size: int) -> Iterator[list[Row]]:
        """Yield all rows in lists of `size`."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def copy_to(self, path: Path, order: Iterable[int]) -> int:
        """Write the rows with these indices to another file; return how many."""
        with RowWriter(path, self._files()) as writer:
            for index in order:
                writer.append_line(self.line(index), self._place(index))
        return writer.count

    def delete(self) -> None:
        """Remove the files."""
        names_of(self.path).unlink()
        index_of(self.path).unlink()
        self.path.unlink()

    def _place(self, index: int) -> tuple[int, int]:
        return self._index[FIELDS * index + 1], self._index[FIELDS * index + 2]

    def _files(self) -> list[tuple[str, str]]:
        return [(file, unit) for file, unit in json.loads(names_of(self.path).read_text())]


def load_rows(path: Path) -> StoredRows:
    """Return the stored rows, in the task's plain form."""
    return StoredRows(path)


def index_of(path: Path) -> Path:
    """Return the file that says where each row of `path` begins, and where the last ends."""
    return path.with_name(f"{path.name}.index")


def names_of(path: Path) -> Path:
    """Return the file that names the files from which the rows of `path` came."""
    return path.with_name(f"{path.name}.files")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
