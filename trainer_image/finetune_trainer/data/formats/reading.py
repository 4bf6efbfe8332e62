"""Rows of data files of every format, each with the line of the file (or its number) by which a person finds it."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from finetune_api.parts.data_files import COMPRESSED_ENDINGS, FORMAT_OF_ENDING, DataFiles, DataFormat
from finetune_trainer.data.formats.delimited import reader
from finetune_trainer.data.formats.dialect import dialect_of
from finetune_trainer.data.formats.encodings import HEAD_BYTES, something_else
from finetune_trainer.data.formats.json_array import read_json
from finetune_trainer.data.formats.json_lines import read_jsonl
from finetune_trainer.data.formats.parquet import read_parquet
from finetune_trainer.data.formats.raw import RawRow, Reader
from finetune_trainer.data.formats.text import read_document, read_text
from finetune_trainer.data.problems import Problems

READERS: dict[DataFormat, Callable[[DataFiles], Reader]] = {
    DataFormat.CSV: lambda files: reader(dialect_of(files, DataFormat.CSV)),
    DataFormat.TSV: lambda files: reader(dialect_of(files, DataFormat.TSV)),
    DataFormat.JSON: lambda _: read_json,
    DataFormat.JSONL: lambda _: read_jsonl,
    DataFormat.PARQUET: lambda _: read_parquet,
    DataFormat.TEXT: lambda _: read_text,
    DataFormat.DOCUMENT: lambda _: read_document,
}
UNPACKING_ERRORS = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)


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
            yield from READERS[data_format](files)(stream, problems)
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
