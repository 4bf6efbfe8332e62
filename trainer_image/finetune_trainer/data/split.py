"""Which rows are learnt from and which are held out: decided by the seed alone. Rows are told by their index."""

import random
from array import array
from typing import TypeAlias

from finetune_trainer.errors import BadData

FRACTION_FIELD = "spec.dataset.evaluation.fraction"

Order: TypeAlias = "array[int]"


def shuffled(rows: int, limit: int | None, seed: int) -> Order:
    """Return the indices of at most `limit` of the rows, in an order that `seed` decides."""
    order = array("q", range(rows))
    random.Random(seed).shuffle(order)
    return order[:limit]


def hold_out(order: Order, fraction: float, limit: int | None = None) -> tuple[Order, Order]:
    """Split shuffled rows into those to learn from and the `fraction`, at most `limit`, to be judged by.

    Raises BadData if either part would be empty.
    """
    held_out = min(round(len(order) * fraction), limit or len(order))
    if held_out == 0 or held_out == len(order):
        part = "no row to be judged by" if held_out == 0 else "no row to learn from"
        raise BadData(
            f"{FRACTION_FIELD} {fraction:g} of {len(order)} rows leaves {part};"
            " add rows, change the fraction, or name a file in spec.dataset.evaluation.source",
            FRACTION_FIELD,
        )
    return order[held_out:], order[:held_out]
