"""JSON Lines files: an object on each line."""

import json
from collections.abc import Iterator
from typing import BinaryIO

from finetune_trainer.data.problems import Problems, RowError, show
from finetune_trainer.data.reading import RawRow

EXPECTED = "one JSON object on each line"


def read_jsonl(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the objects; every line that is none is noted in `problems`."""
    for line, content in enumerate(stream, 1):
        try:
            text = content.decode("utf-8-sig" if line == 1 else "utf-8")
            value = json.loads(text) if text.strip() else None
        except UnicodeDecodeError:
            problems.add(line, RowError(None, "bytes that are not UTF-8", "UTF-8; convert the file, with iconv say"))
        except ValueError as error:
            problems.add(line, RowError(None, f"{show(text.strip())} ({error})", EXPECTED))
        else:
            if isinstance(value, dict):
                yield RawRow(line, value)
            elif text.strip():
                problems.add(line, RowError(None, show(value), EXPECTED))
