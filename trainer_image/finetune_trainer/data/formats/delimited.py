"""CSV and TSV files, by RFC 4180: quoted fields may hold delimiters, doubled quotes and line breaks."""

import csv
import sys
from collections.abc import Iterator
from typing import BinaryIO

from finetune_api.parts.data_files import Quoting
from finetune_trainer.data.formats.dialect import EXCELS_LINE, NAMES, Dialect, in_yaml, likelier_delimiter
from finetune_trainer.data.formats.raw import RawRow, Reader
from finetune_trainer.data.formats.text import decoded_lines
from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.errors import BadData


def reader(dialect: Dialect) -> Reader:
    """Return the reader of files of a dialect; the first line names the columns."""

    def read(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
        return _Table(dialect, problems).rows(decoded_lines(stream, problems))

    return read


class _Table:
    """Reads a table row by row, and keeps the lines of the row at hand."""

    def __init__(self, dialect: Dialect, problems: Problems) -> None:
        self._dialect = dialect
        self._problems = problems
        self._lines: list[str] = []
        self._header: list[str] = []
        self._header_line = ""
        self._unnamed = 0
        self._headers_again: list[int] = []
        self._swallowing: list[tuple[int, int]] = []

    def rows(self, lines: Iterator[str]) -> Iterator[RawRow]:
        """Yield the rows by their columns' names; what is no row is noted."""
        csv.field_size_limit(sys.maxsize)
        table = csv.reader(
            self._noted(lines),
            strict=True,
            delimiter=self._dialect.delimiter,
            quoting=csv.QUOTE_NONE if self._dialect.quoting is Quoting.LITERAL else csv.QUOTE_MINIMAL,
        )
        started = 1
        try:
            for fields in table:
                row = self._row(fields, started)
                if row is not None:
                    yield row
                started = table.line_num + 1
                self._lines.clear()
        except csv.Error as error:
            raise self._problems.fail(self._broken(started, error)) from error
        self._warn_of_odd_lines()

    def _noted(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self._lines.append(line)
            yield line

    def _row(self, fields: list[str], started: int) -> RawRow | None:
        if not fields:
            return None
        if not self._header:
            self._take_header(fields, started)
            return None
        named, more = fields[: len(self._header)], fields[len(self._header) :]
        if len(named) < len(self._header) or any(field.strip() for field in more):
            self._problems.add(started, self._field_count_error(fields))
            return None
        if named == self._header:
            self._headers_again.append(started)
            return None
        if len(self._lines) > 1 and self._seems_to_swallow():
            return self._swallowing_row(started, named)
        return RawRow(started, dict(zip(self._header, named, strict=True)))

    def _take_header(self, fields: list[str], line: int) -> None:
        """Note the columns' names; columns at the end without a name are none. Raises BadData."""
        text = self._lines[-1].rstrip("\r\n")
        if text.lower().startswith(EXCELS_LINE) and len(text) <= len(EXCELS_LINE) + 1:
            self._check_excels_line(text[len(EXCELS_LINE) :], line)
            return
        other = likelier_delimiter(text, None, self._dialect)
        if other and len(fields) == 1:
            raise self._wrong_delimiter(line, other)
        while len(fields) > 1 and not fields[-1].strip():
            fields = fields[:-1]
            self._unnamed += 1
        repeated = sorted({name for name in fields if fields.count(name) > 1})
        if repeated:
            raise self._problems.fail(f"line {line}: column {repeated[0]!r} appears twice; rename one of them")
        self._header, self._header_line = fields, text

    def _check_excels_line(self, delimiter: str, line: int) -> None:
        """Raise BadData if Excel's line sep=… names another delimiter than the dialect's."""
        if delimiter and delimiter != self._dialect.delimiter:
            raise self._wrong_delimiter(line, delimiter)

    def _wrong_delimiter(self, line: int, delimiter: str) -> BadData:
        between = NAMES.get(delimiter, repr(delimiter))
        return self._problems.fail(
            f"line {line}: the fields are told apart by {between}, not by {self._dialect.name}; set"
            f" {self._problems.block}.delimiter: {in_yaml(delimiter)}"
        )

    def _field_count_error(self, fields: list[str]) -> RowError:
        text = "".join(self._lines)
        other = likelier_delimiter(self._header_line, text, self._dialect)
        hint = f"quote fields that hold {self._dialect.name}"
        if self._unnamed and len(fields) <= len(self._header) + self._unnamed:
            hint = "name the columns at the end of the header, or empty them"
        elif f'{self._dialect.delimiter} "' in text:
            hint = "take out the blank before a quotation mark that opens a field"
        elif text.startswith("'") or f"{self._dialect.delimiter}'" in text:
            hint = f"{hint}, by double quotation marks, not by single ones"
        if other:
            hint = (
                f"or set {self._problems.block}.delimiter: {in_yaml(other)}, if fields are told apart by {NAMES[other]}"
            )
        wanted = f"{len(self._header)} as in the header ({', '.join(self._header)}); {hint}"
        return RowError(None, f"{len(fields)} fields", wanted)

    def _seems_to_swallow(self) -> bool:
        """Tell whether the lines of one row seem to be rows of their own, by their delimiters."""
        wanted, counts = len(self._header) - 1, [line.count(self._dialect.delimiter) for line in self._lines]
        if self._dialect.quoting is Quoting.STANDARD or not wanted:
            return False
        return sum(counts) > wanted if self._dialect.delimiter == "\t" else set(counts) == {wanted}

    def _swallowing_row(self, started: int, fields: list[str]) -> RawRow | None:
        """Refuse a quoted field that seems to have swallowed rows: for certain where it holds tabs."""
        last = started + len(self._lines) - 1
        if self._dialect.delimiter == "\t":
            block = self._problems.block
            hint = (
                f"no field with both tabs and line breaks; set {block}.quoting: Literal, if quotation marks are"
                " ordinary characters, or Standard, if the field is meant so"
            )
            found = f"a quotation mark that makes one row of lines {started} to {last}"
            self._problems.add(started, RowError(None, found, hint))
            return None
        self._swallowing.append((started, last))
        return RawRow(started, dict(zip(self._header, fields, strict=True)))

    def _warn_of_odd_lines(self) -> None:
        if self._headers_again:
            lines = ", ".join(map(str, self._headers_again[:5]))
            self._problems.warn(f"the header stands again in line {lines}, as in files that were joined; it is no row")
        if self._swallowing:
            first, last = self._swallowing[0]
            self._problems.warn(
                f"quotation marks make one row of several lines that each look like a row, first of lines {first} to"
                f" {last}, {len(self._swallowing)} times in all; set {self._problems.block}.quoting: Literal, if they"
                " are ordinary characters, else Standard"
            )

    def _broken(self, line: int, error: csv.Error) -> str:
        literal = f"; or set {self._problems.block}.quoting: Literal, if quotation marks are ordinary characters"
        if "unexpected end of data" in str(error):
            words = "a quote that opens in this row is never closed; close it, and double quotes inside fields"
            return f"line {line}: {words}{literal}"
        if "new-line character" in str(error):
            return f"line {line}: a carriage return stands within a field; put the field into quotes"
        if any('\\"' in text for text in self._lines):
            return f'line {line}: quotes inside a field are written \\", which RFC 4180 does not know; double them, ""'
        words = f"not CSV as in RFC 4180: {error}; put fields with quotes into quotes and double those inside"
        return f"line {line}: {words}{literal} (found {show(self._lines[-1].strip())})"
