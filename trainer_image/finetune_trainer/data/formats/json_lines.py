"""JSON Lines files: an object on each line."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from finetune_trainer.data.formats.encodings import advice, wrong_byte
from finetune_trainer.data.formats.raw import RawRow
from finetune_trainer.data.formats.text import raw_lines
from finetune_trainer.data.problems import Problems, RowError, show

EXPECTED = "one JSON object on each line"


def read_jsonl(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the objects; every line that is none is noted in `problems`.

    Raises BadData for a file whose first line tells that it is JSON of another kind.
    """
    found_any = False
    for line, content in enumerate(raw_lines(stream), 1):
        try:
            text = content.decode("utf-8-sig").strip()
            value = json.loads(text) if text else None
        except UnicodeDecodeError as error:
            problems.add(line, RowError(None, f"{wrong_byte(error)}, which is not UTF-8", f"UTF-8; {advice(content)}"))
            continue
        except (ValueError, RecursionError) as error:
            value = error
        if not found_any and text:
            _check_kind(text, value, line, problems)
            found_any = True
        if isinstance(value, dict):
            yield RawRow(line, value)
        elif text:
            problems.add(line, RowError(None, _found(text, value), EXPECTED))


def _check_kind(text: str, value: Any, line: int, problems: Problems) -> None:
    """Raise BadData if the first line begins an array of objects, or an object that goes on in the next line."""
    of_objects = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    if of_objects or (isinstance(value, Exception) and text.startswith("[")):
        raise problems.fail(
            f"line {line}: an array begins, so this is JSON, not JSON Lines; set {problems.block}.format: JSON"
        )
    if text == "{":
        raise problems.fail(
            f"line {line}: an object begins that goes on in the next line; expected {EXPECTED}, as `jq -c .` writes"
        )


def _found(text: str, value: Any) -> str:
    if isinstance(value, json.JSONDecodeError):
        return f"{show(text)} ({value.msg} at character {value.pos + 1})"
    return f"{show(text)} ({value})" if isinstance(value, Exception) else show(value)
