"""CSV and TSV files, by RFC 4180: quoted fields may hold delimiters, doubled quotes and line breaks."""

import csv
import sys
from collections.abc import Iterator
from typing import BinaryIO

from finetune_trainer.data.problems import Problems, RowError
from finetune_trainer.data.reading import RawRow, Reader
from finetune_trainer.data.text import decoded_lines


def reader(delimiter: str) -> Reader:
    """Return the reader of files whose fields are told apart by `delimiter`; the first line names the columns."""

    def read(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
        return _read(stream, problems, delimiter)

    return read


def _read(stream: BinaryIO, problems: Problems, delimiter: str) -> Iterator[RawRow]:
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(decoded_lines(stream, problems), strict=True, delimiter=delimiter)
    started = 1
    header: list[str] | None = None
    try:
        for fields in rows:
            if not fields:
                pass
            elif header is None:
                header = _checked_header(fields, problems)
            elif len(fields) != len(header):
                problems.add(started, _field_count_error(fields, header, delimiter))
            else:
                yield RawRow(started, dict(zip(header, fields, strict=True)))
            started = rows.line_num + 1
    except csv.Error as error:
        raise problems.fail(_csv_words(started, error)) from error


def _checked_header(fields: list[str], problems: Problems) -> list[str]:
    repeated = sorted({name for name in fields if fields.count(name) > 1})
    if repeated:
        raise problems.fail(f"line 1: column {repeated[0]!r} appears twice; rename one of them")
    return fields


def _field_count_error(fields: list[str], header: list[str], delimiter: str) -> RowError:
    hint = f"quote fields that hold {'commas' if delimiter == ',' else 'tabs'}"
    return RowError(None, f"{len(fields)} fields", f"{len(header)} as in the header ({', '.join(header)}); {hint}")


def _csv_words(line: int, error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return f"line {line}: a quote that opens in this row is never closed; close it, and double quotes inside fields"
    return f"line {line}: not CSV as in RFC 4180: {error}; put fields with quotes into quotes and double those inside"
