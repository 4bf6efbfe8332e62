"""Which rows are learnt from and which are held out: decided by the seed alone."""

import random
from typing import TypeVar

from finetune_trainer.errors import BadData

FRACTION_FIELD = "spec.dataset.evaluation.fraction"

Row = TypeVar("Row")


def shuffle_and_limit(rows: list[Row], limit: int | None, seed: int) -> list[Row]:
    """Return at most `limit` rows in an order that `seed` decides."""
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    return shuffled[:limit]


def hold_out(rows: list[Row], fraction: float) -> tuple[list[Row], list[Row]]:
    """Split shuffled rows into those to learn from and the `fraction` to be judged by.

    Raises BadData if either part would be empty.
    """
    held_out = round(len(rows) * fraction)
    if held_out == 0 or held_out == len(rows):
        part = "no row to be judged by" if held_out == 0 else "no row to learn from"
        raise BadData(
            f"{FRACTION_FIELD} {fraction:g} of {len(rows)} rows leaves {part};"
            " add rows, change the fraction, or name a file in spec.dataset.evaluation.source",
            FRACTION_FIELD,
        )
    return rows[held_out:], rows[:held_out]
