"""Rows to token ids, before the training begins."""

from finetune_trainer.errors import BadData
from finetune_trainer.loading import Loaded
from finetune_trainer.log import say
from finetune_trainer.tasks.recipe import Recipe, Row


def encode_rows(recipe: Recipe, rows: list[Row], loaded: Loaded, max_length: int) -> list[Row]:
    """Return the rows that teach something, encoded. Raises BadData if there is none."""
    encoded = recipe.encode(rows, loaded, max_length)
    if not encoded:
        raise BadData(
            f"no row teaches anything within {max_length} tokens; raise spec.training.maxLength",
            "spec.training.maxLength",
        )
    if len(encoded) < len(rows):
        say("data", f"{len(rows) - len(encoded)} rows left out: what they teach lies beyond {max_length} tokens")
    return encoded
