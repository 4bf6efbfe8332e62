"""How much of a row was cut off."""

from typing import Any

from finetune_trainer.encoding import TRUNCATED

NOT_FOR_MODEL = ("labels", TRUNCATED)
"""What an encoded row holds beside the model's inputs."""


def dropped_tokens(encoding: Any) -> dict[str, int]:
    """Return the entry for a row that a fast tokenizer cut off; nothing for a whole one."""
    dropped = sum(piece.special_tokens_mask.count(0) for piece in encoding.overflowing)
    return {TRUNCATED: dropped} if dropped else {}
