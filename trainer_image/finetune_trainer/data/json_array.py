"""JSON files: an array of objects, read one by one, so that the array may be larger than the memory."""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.data.reading import RawRow
from finetune_trainer.data.text import encoding_words

CHUNK_BYTES = 1 << 18
LONGEST_ELEMENT = 1 << 26
"""Characters of one object; what is longer is taken for an error, since a missing bracket looks the same."""
SPACE = " \t\r\n"
SHAPE = "an array of objects, [{…}, {…}]; a file with one object on each line needs format: JSONL"


def read_json(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the objects, each with the line on which it starts. Raises BadData where the array is broken."""
    scanner = _Scanner(stream, problems)
    found = scanner.next_character()
    if not found:
        return
    if found != "[":
        raise problems.fail(f"line {scanner.line}: found {found!r}; expected {SHAPE}")
    scanner.step()
    separator = ","
    while scanner.next_character() != "]":
        if separator != ",":
            raise problems.fail(
                f"line {scanner.line}: found {show(scanner.next_character())} after an object; expected , or ]"
            )
        line = scanner.line
        value = scanner.value()
        if isinstance(value, dict):
            yield RawRow(line, value)
        else:
            problems.add(line, RowError(None, show(value), "an object in each place of the array"))
        separator = scanner.next_character()
        if separator == ",":
            scanner.step()


class _Scanner:
    """Walks over the text, of which it holds a piece."""

    def __init__(self, stream: BinaryIO, problems: Problems) -> None:
        self.line = 1
        self._stream = stream
        self._problems = problems
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")()
        self._objects = json.JSONDecoder()
        self._text = ""
        self._at = 0

    def next_character(self) -> str:
        """Go to the next character that is no space and return it; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in SPACE:
                self.step()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read(CHUNK_BYTES):
                return ""

    def step(self) -> None:
        """Go on by one character."""
        self.line += self._text[self._at] == "\n"
        self._at += 1

    def value(self) -> Any:
        """Return the value that begins here, and go behind it."""
        size = CHUNK_BYTES
        while True:
            try:
                value, end = self._objects.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if len(self._text) - self._at < LONGEST_ELEMENT and self._read(size):
                    size *= 2
                    continue
                line = self.line + self._text.count("\n", self._at, error.pos)
                raise self._problems.fail(f"line {line}: not JSON: {error.msg}; expected {SHAPE}") from error
            # A number or word at the end of the piece may go on in the next one.
            if end == len(self._text) and self._read(size):
                continue
            self.line += self._text.count("\n", self._at, end)
            self._at = end
            return value

    def _read(self, size: int) -> bool:
        """Append the next piece of the file; tell whether there was one."""
        content = self._stream.read(size)
        try:
            more = self._bytes.decode(content, final=not content)
        except UnicodeDecodeError as error:
            line = self.line + self._text.count("\n", self._at) + error.object.count(b"\n", 0, error.start)
            raise self._problems.fail(f"line {line}: {encoding_words(error)}") from error
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(content)
