"""Packing: several documents in one row of the batch, each of which attends to itself alone."""

from dataclasses import dataclass
from typing import Any

from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.language.token_losses import IGNORED

FIELD = "spec.training.packing"
PROBE_TOKENS = 8
PROBE_TOLERANCE = 1e-3


def pack(rows: Any, length: int) -> Any:
    """Return a dataset of {input_ids, labels, seq_lengths}: whole documents, best fit first, `length` tokens a row."""
    from trl import pack_dataset

    return pack_dataset(rows.select_columns(["input_ids", "labels"]), length, "bfd")


@dataclass(frozen=True)
class PackedBatches:
    """Makes tensors [rows, tokens] of packed rows, or [1, rows x tokens] with `flat`, which FlashAttention wants.

    Positions begin at 0 with each document, which is what parts documents: a mask of ones would join them again.
    Padding is a document of its own. Nothing is learnt from a document's first token: nothing comes before it.
    """

    pad_token_id: int
    flat: bool = False

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return input_ids, position_ids and labels."""
        import torch

        width = max(len(row["input_ids"]) for row in rows)
        columns: dict[str, list[list[int]]] = {"input_ids": [], "position_ids": [], "labels": []}
        for row in rows:
            padding = width - len(row["input_ids"])
            positions = [place for length in (*row["seq_lengths"], padding) for place in range(length)]
            labels = [label if place else IGNORED for label, place in zip(row["labels"], positions, strict=False)]
            columns["input_ids"].append([*row["input_ids"], *[self.pad_token_id] * padding])
            columns["position_ids"].append(positions)
            columns["labels"].append([*labels, *[IGNORED] * padding])
        batch = {name: torch.tensor(values) for name, values in columns.items()}
        return {name: values.reshape(1, -1) for name, values in batch.items()} if self.flat else batch


def packed_batches(model: Any, tokenizer: Any) -> PackedBatches:
    """Return the collator that suits the model's attention."""
    attention = getattr(model.config, "_attn_implementation", None) or ""
    return PackedBatches(tokenizer.pad_token_id, flat="flash" in attention)


def check_isolation(model: Any, collate: PackedBatches) -> None:
    """Make sure that a document's outputs do not depend on the document packed before it.

    Raises BadSpec for models where they do: recurrent ones, or attention that does not heed positions.
    """
    import torch

    first, other, second = (list(range(start, start + PROBE_TOKENS)) for start in (0, PROBE_TOKENS, 3))
    rows = [{"input_ids": [*one, *second], "labels": [*one, *second]} for one in (first, other)]
    batch = collate([{**row, "seq_lengths": [PROBE_TOKENS, PROBE_TOKENS]} for row in rows])
    batch.pop("labels")
    learning = model.training
    model.eval()
    with torch.no_grad():
        inputs = {name: values.to(model.device) for name, values in batch.items()}
        logits = model(**inputs, use_cache=False).logits.float()
    model.train(learning)
    one, two = logits.reshape(2, -1, logits.shape[-1])[:, -PROBE_TOKENS:]
    if (one - two).abs().max() > PROBE_TOLERANCE * one.abs().max():
        raise BadSpec(
            f"documents that are packed into one row of a {type(model).__name__} would see each other; set {FIELD}:"
            " false",
            FIELD,
        )
