"""Parquet files, as the Hub's datasets have them: class numbers become the names that the file holds for them."""

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from finetune_trainer.data.problems import Problems
from finetune_trainer.data.reading import RawRow

BATCH_ROWS = 1000
METADATA_KEY = b"huggingface"

Names = list[str]


def read_parquet(stream: BinaryIO, problems: Problems) -> Iterator[RawRow]:
    """Yield the rows. Raises BadData for a file that is no Parquet file, or is damaged."""
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        file = parquet.ParquetFile(stream)
        names = _class_names(file.schema_arrow.metadata or {})
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield RawRow(number, {**values, **{name: name_of(values.get(name)) for name, name_of in names.items()}})
    except (pyarrow.ArrowException, OSError) as error:
        words = str(error).split("\n")[0]
        raise problems.fail(f"cannot be read as Parquet after row {number}: {words}") from error


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, Callable[[Any], Any]]:
    """Return for each column of class numbers what turns its values into names."""
    try:
        features = json.loads(metadata.get(METADATA_KEY, b"{}")).get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    found = {}
    for column, feature in features.items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" and inner.get("names"):
            found[column] = _namer(inner["names"])
    return found


def _namer(names: Names) -> Callable[[Any], Any]:
    def name_of(value: Any) -> Any:
        if isinstance(value, list):
            return [name_of(item) for item in value]
        return names[value] if isinstance(value, int) and 0 <= value < len(names) else value

    return name_of
