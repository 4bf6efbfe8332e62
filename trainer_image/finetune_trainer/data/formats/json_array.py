"""JSON files: an array of objects, read one by one, so that the array may be larger than the memory."""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from finetune_trainer.data.formats.encodings import advice, wrong_byte
from finetune_trainer.data.formats.raw import RawRow
from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.errors import BadData
from finetune_trainer.log import say

CHUNK_BYTES = 1 << 18
LONGEST_ELEMENT = 1 << 26
"""Characters of one object; what is longer is taken for an error, since a missing bracket looks the same."""
SPACE = " \t\r\n"
SHAPE = "an array of objects, [{…}, {…}]"


def read_json(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the objects, each with the line on which it starts; of several arrays, one after the other, all of them.

    Raises BadData where an array is broken, or where anything else follows.
    """
    scanner = _Scanner(stream, problems)
    arrays = 0
    while begins := scanner.next_character():
        if begins != "[":
            raise _after_arrays(scanner, problems) if arrays else _no_array(scanner, problems)
        yield from _array(scanner, problems)
        arrays += 1
    if arrays > 1:
        say("data", f"{problems.file} holds {arrays} arrays, one after the other; all were read")


def _array(scanner: "_Scanner", problems: Problems) -> Iterator[RawRow]:
    scanner.step()
    separator = ","
    while scanner.next_character() != "]":
        if separator != ",":
            found = show(separator) if separator else "the file's end"
            raise problems.fail(f"line {scanner.line}: found {found} after an object; expected , or ]")
        line = scanner.line
        value = scanner.value()
        if isinstance(value, dict):
            yield RawRow(line, value)
        else:
            problems.add(line, RowError(None, show(value), "an object in each place of the array"))
        separator = scanner.next_character()
        if separator == ",":
            scanner.step()
    scanner.step()


def _after_arrays(scanner: "_Scanner", problems: Problems) -> BadData:
    found = show(scanner.rest_of_line())
    return problems.fail(f"line {scanner.line}: found {found} after the end of the array; expected the file's end")


def _no_array(scanner: "_Scanner", problems: Problems) -> BadData:
    """Return the error for a file that begins with something else, which is told by what it is."""
    line, found = scanner.line, scanner.next_character()
    words = f"line {line}: found {found!r}; expected {SHAPE}; a file with one object on each line needs format: JSONL"
    if found != "{":
        return problems.fail(words)
    value = scanner.value()
    last_line, following = scanner.line, scanner.next_character()
    key = next((name for name, inner in value.items() if _has_rows(inner)), None)
    if not following and value and all(isinstance(inner, list | dict) for inner in value.values()) and not key:
        words = f"line {line}: one object of columns; expected {SHAPE}, as pandas writes with orient='records'"
    elif not following and key:
        words = (
            f"line {line}: one object; expected {SHAPE}; the list under its key {key!r} is one: `jq .{key}` takes it"
        )
    elif following and last_line > line:
        words = f"line {line}: objects one after the other; expected {SHAPE}, which `jq -s .` makes of them"
    return problems.fail(words)


def _has_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


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

    def rest_of_line(self) -> str:
        """Return what stands between here and the line's end, as far as it is read."""
        return self._text[self._at :].split("\n", 1)[0].strip()

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
            except RecursionError as error:
                raise self._problems.fail(f"line {self.line}: brackets within brackets, too deep to be read") from error
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
            words = f"{wrong_byte(error)} is not UTF-8; {advice(content)}"
            raise self._problems.fail(f"line {line}: {words}") from error
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(content)
