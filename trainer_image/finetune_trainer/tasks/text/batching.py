"""Batches for evaluation: rows of like length together, so that little is padded."""

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]


def by_length(encoded: list[Row], batch_size: int, batch_tokens: int | None = None) -> Iterator[list[int]]:
    """Yield the rows' indices in batches, longest rows first (so that a batch that is too large fails at once).

    batch_tokens: the most tokens of a batch, padding included; a row that has more is a batch of its own.
    """
    order = sorted(range(len(encoded)), key=lambda index: -len(encoded[index]["input_ids"]))
    while order:
        longest = max(1, len(encoded[order[0]]["input_ids"]))
        size = batch_size if batch_tokens is None else min(batch_size, max(1, batch_tokens // longest))
        yield order[:size]
        order = order[size:]


def pad_right(rows: list[Row], tokenizer: Any) -> Any:
    """Return the rows as one batch of tensors [rows, tokens], filled up at the end."""
    side, tokenizer.padding_side = tokenizer.padding_side, "right"
    try:
        return tokenizer.pad(rows, return_tensors="pt")
    finally:
        tokenizer.padding_side = side
