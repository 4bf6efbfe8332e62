"""How much of a row was cut off."""

from typing import Any

TRUNCATED = "truncated_tokens"
"""Key under which a recipe tells how many tokens of a row it cut off."""
NOT_FOR_MODEL = ("labels", TRUNCATED)
"""What an encoded row holds beside the model's inputs."""


def dropped_tokens(encoding: Any) -> dict[str, int]:
    """Return the entry for a row that a fast tokenizer cut off; nothing for a whole one."""
    dropped = sum(piece.special_tokens_mask.count(0) for piece in encoding.overflowing)
    return {TRUNCATED: dropped} if dropped else {}
