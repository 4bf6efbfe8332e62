"""Text files: a row for each line, or one for the whole file; the column is called text."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import BinaryIO

from finetune_trainer.data.formats.encodings import advice, wrong_byte
from finetune_trainer.data.formats.raw import RawRow
from finetune_trainer.data.problems import Problems

BYTE_ORDER_MARK = "\ufeff"
PIECE_BYTES = 1 << 16


def read_text(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield a row for each line, without its end."""
    for number, line in enumerate(decoded_lines(stream, problems), 1):
        yield RawRow(number, {"text": line.rstrip("\r\n")})


def read_document(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the whole file as one row."""
    yield RawRow(1, {"text": "".join(decoded_lines(stream, problems))})


def decoded_lines(stream: BinaryIO, problems: Problems) -> Iterator[str]:
    """Yield the lines of a file in UTF-8, without the marks of it that files have at their beginnings.

    Raises BadData for a line that is not UTF-8.
    """
    for line, content in enumerate(raw_lines(stream), 1):
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise problems.fail(f"line {line}: {wrong_byte(error)} is not UTF-8; {advice(content)}") from error
        yield text.removeprefix(BYTE_ORDER_MARK)


def raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines with their ends, which are carriage returns alone where a file has no other."""
    head = stream.read(PIECE_BYTES)
    if b"\r" in head and b"\n" not in head:
        yield from _split_at(b"\r", chain([head], iter(partial(stream.read, PIECE_BYTES), b"")))
        return
    *whole, rest = head.split(b"\n")
    yield from (line + b"\n" for line in whole)
    last = rest + stream.readline()
    if last:
        yield last
    yield from stream


def _split_at(end: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(end)
        yield from (line + end for line in whole)
    if rest:
        yield rest
