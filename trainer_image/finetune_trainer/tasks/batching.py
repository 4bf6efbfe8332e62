"""Batches for evaluation: rows of like length together, so that little is padded."""

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]


def by_length(encoded: list[Row], batch_size: int) -> Iterator[list[int]]:
    """Yield the rows' indices in batches, longest rows first (so that a batch that is too large fails at once)."""
    order = sorted(range(len(encoded)), key=lambda index: -len(encoded[index]["input_ids"]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def pad_right(rows: list[Row], tokenizer: Any) -> Any:
    """Return the rows as one batch of tensors [rows, tokens], filled up at the end."""
    side, tokenizer.padding_side = tokenizer.padding_side, "right"
    try:
        return tokenizer.pad(rows, return_tensors="pt")
    finally:
        tokenizer.padding_side = side
