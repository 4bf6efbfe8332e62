"""Text files: a row for each line, or one for the whole file; the column is called text."""

from collections.abc import Iterator
from typing import BinaryIO

from finetune_trainer.data.problems import Problems
from finetune_trainer.data.reading import RawRow

BYTE_ORDER_MARK = "\ufeff"


def read_text(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield a row for each line, without its end."""
    for number, line in enumerate(decoded_lines(stream, problems), 1):
        yield RawRow(number, {"text": line.rstrip("\r\n")})


def read_document(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the whole file as one row."""
    yield RawRow(1, {"text": "".join(decoded_lines(stream, problems))})


def decoded_lines(stream: BinaryIO, problems: Problems) -> Iterator[str]:
    """Yield the lines of a file in UTF-8. Raises BadData for one that is not."""
    for line, content in enumerate(stream, 1):
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise problems.fail(f"line {line}: {encoding_words(error)}") from error
        yield text.removeprefix(BYTE_ORDER_MARK) if line == 1 else text


def encoding_words(error: UnicodeDecodeError) -> str:
    """Say which byte is not UTF-8, and what to do."""
    wrong = error.object[error.start]
    return f"byte 0x{wrong:02x} is not UTF-8; convert the file, with `iconv -f WINDOWS-1252 -t UTF-8` say"
