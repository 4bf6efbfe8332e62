"""What is wrong with rows, collected so that a person mends several at once."""

import json
from typing import Any

from finetune_trainer.data.rows import Place
from finetune_trainer.errors import BadData

SHOWN_PROBLEMS = 5
SHOWN_CHARACTERS = 60


class RowError(Exception):
    """A row that the task cannot use: the column, what was found there, what was expected."""

    def __init__(self, column: str | None, found: str, expected: str) -> None:
        super().__init__(column, found, expected)
        self.column = column
        self.found = found
        self.expected = expected


class MissingColumnError(RowError):
    """A row without the column; in a CSV file no row has it then."""


class Problems:
    """The bad rows of one file, or of several that a field names. `field` is the spec's field that names them."""

    def __init__(self, name: str, field: str) -> None:
        self.name = name
        self.field = field
        self.count = 0
        self.warnings: list[str] = []
        self._file: str | None = None
        self._unit = "line"
        self._shown: list[str] = []

    @property
    def block(self) -> str:
        """The spec's block that names the files, such as spec.dataset.train."""
        return self.field.rpartition(".")[0]

    @property
    def file(self) -> str:
        """The file that is read now, or what stands for all of them."""
        return self._file or self.name

    def warn(self, words: str) -> None:
        """Note what a person should know of the file that is read now, though its rows can be used."""
        self.warnings.append(f"{self.file}: {words}")

    def enter(self, file: str, unit: str) -> None:
        """Note which file is read now, and what its rows are counted in: line or row."""
        self._file = file
        self._unit = unit

    def leave(self) -> None:
        """Note that all files are read."""
        self._file = None

    def add_at(self, place: Place, error: RowError) -> None:
        """Note one bad row of those that were stored, by where it came from."""
        self.enter(place.file, place.unit)
        self.add(place.number, error)
        self.leave()

    def add(self, number: int, error: RowError) -> None:
        """Note one bad row, by its line or number."""
        self.count += 1
        if len(self._shown) < SHOWN_PROBLEMS:
            file = f"{self._file} " if self._file not in (None, self.name) else ""
            column = f", column {error.column!r}" if error.column else ""
            place = f"{file}{self._unit} {number}{column}"
            self._shown.append(f"{place}: found {error.found}; expected {error.expected}")

    def fail_if_any(self, rows: int) -> None:
        """Raise BadData naming the first bad rows, if there are any among `rows` read."""
        if not self.count:
            return
        more = f"; and {self.count - len(self._shown)} more" if self.count > len(self._shown) else ""
        listing = "; ".join(self._shown)
        raise BadData(
            f"{self.name}: {self.count} of {rows} rows cannot be used: {listing}{more}. Mend or remove these rows",
            self.field,
        )

    def fail(self, words: str) -> BadData:
        """Return the error for a file that is wrong as a whole."""
        return BadData(f"{self.file}: {words}", self.field)


def show(value: Any) -> str:
    """Return a value as a message quotes it: JSON, cut to a few words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    # Half of a character cannot be printed.
    return repr(text) if isinstance(value, str) else text.encode(errors="backslashreplace").decode()
