"""Rows of data files of every format, each with the line of the file (or its number) by which a person finds it."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from finetune_api.data_files import COMPRESSED_ENDINGS, FORMAT_OF_ENDING, DataFiles, DataFormat
from finetune_trainer.data.formats.encodings import HEAD_BYTES, something_else
from finetune_trainer.data.problems import Problems

UNPACKING_ERRORS = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class RawRow:
    """A row as the file has it: values by column name. `number` is its line, or how many rows come up to it."""

    number: int
    values: dict[str, Any]


Reader = Callable[[BinaryIO, Problems], Iterator[RawRow]]


def read_rows(
    path: Path, name: str, data_format: DataFormat, problems: Problems, files: DataFiles | None = None
) -> Iterator[RawRow]:
    """Yield the rows of a file; lines that are no rows are noted in `problems`. Its `name` tells how it is packed.

    `files` is the spec's block that names it and says how it is to be read. Raises BadData for a file whose rows cannot
    be told apart: no header, broken quotes, not UTF-8 (CSV).
    """
    packed = packing_of(name)
    files = files or DataFiles()
    problems.enter(name, unit_of(data_format))
    if packed and data_format is DataFormat.PARQUET:
        raise problems.fail(f"is a Parquet file that is packed as {packed} once more; unpack it")
    try:
        if data_format is not DataFormat.PARQUET:
            _check_beginning(path, packed, data_format, problems)
        with _opened(path, packed) as stream:
            yield from _reader_of(data_format, files)(stream, problems)
    except UNPACKING_ERRORS as error:
        raise problems.fail(_unpacking_words(packed, error)) from error
    except OSError as error:
        # What the unpacking libraries raise has no number; real input errors of the system have one.
        if error.errno is not None or not packed:
            raise
        raise problems.fail(_unpacking_words(packed, error)) from error


def unit_of(data_format: DataFormat) -> str:
    """Return what rows are counted in: lines or, where a file has none, rows."""
    return "row" if data_format is DataFormat.PARQUET else "line"


def format_of(name: str, data_format: DataFormat | None) -> DataFormat | None:
    """Return the stated format, or the one that the file's ending tells; None if it tells none."""
    bare = name.removesuffix(packing_of(name) or "")
    return data_format or FORMAT_OF_ENDING.get(PurePosixPath(bare).suffix)


def packing_of(name: str) -> str | None:
    """Return the ending that tells how a file is compressed, such as .gz."""
    ending = PurePosixPath(name).suffix
    return ending if ending in COMPRESSED_ENDINGS else None


def _check_beginning(path: Path, packed: str | None, data_format: DataFormat, problems: Problems) -> None:
    """Raise BadData for a file that begins like something else than text in UTF-8."""
    with _opened(path, packed) as stream:
        other = something_else(stream.read(HEAD_BYTES), data_format)
    if other:
        raise problems.fail(other)


def _reader_of(data_format: DataFormat, files: DataFiles) -> Reader:
    """Return what reads a format; its libraries are imported only then."""
    match data_format:
        case DataFormat.CSV | DataFormat.TSV:
            from finetune_trainer.data.formats.delimited import reader
            from finetune_trainer.data.formats.dialect import dialect_of

            return reader(dialect_of(files, data_format))
        case DataFormat.JSON:
            from finetune_trainer.data.formats.json_array import read_json

            return read_json
        case DataFormat.JSONL:
            from finetune_trainer.data.formats.json_lines import read_jsonl

            return read_jsonl
        case DataFormat.PARQUET:
            from finetune_trainer.data.formats.parquet import read_parquet

            return read_parquet
        case DataFormat.TEXT:
            from finetune_trainer.data.formats.text import read_text

            return read_text
        case DataFormat.DOCUMENT:
            from finetune_trainer.data.formats.text import read_document

            return read_document


def _opened(path: Path, packed: str | None) -> BinaryIO:
    match packed:
        case ".gz":
            return cast(BinaryIO, gzip.open(path, "rb"))
        case ".bz2":
            return cast(BinaryIO, bz2.open(path, "rb"))
        case ".xz":
            return cast(BinaryIO, lzma.open(path, "rb"))
        case ".zst":
            import pyarrow

            return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))
        case _:
            return path.open("rb")


def _unpacking_words(packed: str | None, error: Exception) -> str:
    return f"cannot be unpacked as {packed}: {error}; pack it again, or give it the ending of what it is"
