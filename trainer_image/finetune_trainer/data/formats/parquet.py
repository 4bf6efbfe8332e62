"""Parquet files, as the Hub's datasets have them: class numbers become the names that the file holds for them."""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, BinaryIO

from finetune_trainer.data.class_names import class_namers
from finetune_trainer.data.formats.raw import RawRow
from finetune_trainer.data.problems import Problems

BATCH_ROWS = 1000
METADATA_KEY = b"huggingface"
UNREADABLE = (ValueError, OverflowError, TypeError, KeyError)
"""What a value raises that Python cannot hold: a year beyond 9999, a text that is not UTF-8, a map with a key twice."""


def read_parquet(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the rows. Raises BadData for a file that is no Parquet file, or is damaged."""
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        file = parquet.ParquetFile(stream)
        _check_names(file.schema_arrow.names, problems)
        namers = class_namers(_features(file.schema_arrow.metadata or {}))
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            for values in _plain_rows(batch, namers, number, problems):
                number += 1
                yield RawRow(number, values)
    except (pyarrow.ArrowException, OSError) as error:
        words = str(error).split("\n")[0]
        raise problems.fail(f"cannot be read as Parquet after row {number}: {words}") from error


def _features(metadata: dict[bytes, bytes]) -> Any:
    try:
        return json.loads(metadata.get(METADATA_KEY, b"{}")).get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}


def _check_names(names: list[str], problems: Problems) -> None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise problems.fail(f"column {repeated!r} appears twice; rename one of them")


def _plain_rows(
    batch: Any, namers: dict[str, Callable[[Any], Any]], before: int, problems: Problems
) -> list[dict[str, Any]]:
    """Return the rows of a batch, `before` which there are so many. Raises BadData for a value that cannot be read."""
    names = batch.schema.names
    columns = [_values(batch.column(index), name, before, problems) for index, name in enumerate(names)]
    named = [
        list(map(namers[name], values)) if name in namers else values
        for name, values in zip(names, columns, strict=True)
    ]
    return [dict(zip(names, values, strict=True)) for values in zip(*named, strict=True)]


def _values(column: Any, name: str, before: int, problems: Problems) -> list[Any]:
    values: list[Any] = []
    try:
        values = column.to_pylist(maps_as_pydicts="strict")
    except UNREADABLE:
        for number, value in enumerate(column, before + 1):
            try:
                value.as_py(maps_as_pydicts="strict")
            except UNREADABLE as error:
                words = (
                    f"holds a {column.type} that cannot be read ({error}); write it as text, or leave the column out"
                )
                raise problems.fail(f"row {number}, column {name!r}: {words}") from error
        raise
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    """Return a value as JSON files have it: no keys that Arrow fills with null, and points in time as text."""
    match value:
        case str() | bool() | int() | float() | None:
            return value
        case dict():
            return {key: _plain(inner) for key, inner in value.items() if inner is not None}
        case list():
            return [_plain(inner) for inner in value]
        case Decimal():
            return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return value
