"""Rows of CSV and JSONL files, each with the line of the file on which it starts."""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from finetune_api.dataset import DataFormat
from finetune_trainer.data.problems import Problems, RowError, show

BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class RawRow:
    """A row as the file has it: values by column name."""

    line: int
    values: dict[str, Any]


def read_rows(path: Path, data_format: DataFormat, problems: Problems) -> Iterator[RawRow]:
    """Yield the rows of a file; lines that are no rows are noted in `problems`.

    Raises BadData for a file whose rows cannot be told apart: no header, broken quotes, not UTF-8 (CSV).
    """
    with path.open("rb") as stream:
        yield from _read_csv(stream, problems) if data_format is DataFormat.CSV else _read_jsonl(stream, problems)


def format_of(source: str, data_format: DataFormat | None) -> DataFormat:
    """Return the stated format, or the one that the file's ending tells."""
    return data_format or (DataFormat.CSV if source.endswith(".csv") else DataFormat.JSONL)


def _read_csv(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Read RFC 4180: quoted fields may hold commas, doubled quotes and line breaks."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(_decoded_lines(stream, problems), strict=True)
    started = 1
    header: list[str] | None = None
    try:
        for fields in reader:
            if not fields:
                pass
            elif header is None:
                header = _checked_header(fields, problems)
            elif len(fields) != len(header):
                problems.add(started, _field_count_error(fields, header))
            else:
                yield RawRow(started, dict(zip(header, fields, strict=True)))
            started = reader.line_num + 1
    except csv.Error as error:
        raise problems.fail(_csv_words(started, error)) from error


def _decoded_lines(stream: BinaryIO, problems: Problems) -> Iterator[str]:
    for line, content in enumerate(stream, 1):
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise problems.fail(f"line {line}: {_encoding_words(error)}") from error
        yield text.removeprefix(BYTE_ORDER_MARK) if line == 1 else text


def _checked_header(fields: list[str], problems: Problems) -> list[str]:
    repeated = sorted({name for name in fields if fields.count(name) > 1})
    if repeated:
        raise problems.fail(f"line 1: column {repeated[0]!r} appears twice; rename one of them")
    return fields


def _field_count_error(fields: list[str], header: list[str]) -> RowError:
    hint = "quote fields that hold commas"
    return RowError(None, f"{len(fields)} fields", f"{len(header)} as in the header ({', '.join(header)}); {hint}")


def _csv_words(line: int, error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return f"line {line}: a quote that opens in this row is never closed; close it, and double quotes inside fields"
    return f"line {line}: not CSV as in RFC 4180: {error}; put fields with quotes into quotes and double those inside"


def _read_jsonl(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    for line, content in enumerate(stream, 1):
        try:
            text = content.decode("utf-8-sig" if line == 1 else "utf-8")
            value = json.loads(text) if text.strip() else None
        except UnicodeDecodeError as error:
            problems.add(line, RowError(None, "bytes that are not UTF-8", "UTF-8; convert the file, with iconv say"))
            del error
        except ValueError as error:
            problems.add(line, RowError(None, f"{show(text.strip())} ({error})", "one JSON object on each line"))
        else:
            if isinstance(value, dict):
                yield RawRow(line, value)
            elif text.strip():
                problems.add(line, RowError(None, show(value), "one JSON object on each line"))


def _encoding_words(error: UnicodeDecodeError) -> str:
    wrong = error.object[error.start]
    return f"byte 0x{wrong:02x} is not UTF-8; convert the file, with `iconv -f WINDOWS-1252 -t UTF-8` say"
