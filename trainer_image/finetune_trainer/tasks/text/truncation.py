"""Texts in token ids, and how much of them was cut off."""

from typing import Any

TRUNCATED = "truncated_tokens"
"""Key under which a recipe tells how many tokens of a row it cut off."""
NOT_FOR_MODEL = ("labels", TRUNCATED)
"""What an encoded row holds beside the model's inputs."""

Row = dict[str, Any]


def cut_texts(texts: list[str], tokenizer: Any, length: int) -> list[Row]:
    """Return the model's inputs for each text, `length` tokens at most, with what was cut off under TRUNCATED."""
    tokens = tokenizer(texts, truncation=True, max_length=length)
    if tokens.encodings:
        notes = [dropped_tokens(encoding) for encoding in tokens.encodings]
    else:
        # Tokenizers without a fast form do not tell what they drop.
        whole = tokenizer(texts, verbose=False)["input_ids"]
        dropped = [len(ids) - len(kept) for ids, kept in zip(whole, tokens["input_ids"], strict=True)]
        notes = [{TRUNCATED: count} if count else {} for count in dropped]
    return [{**{name: tokens[name][index] for name in tokens}, **note} for index, note in enumerate(notes)]


def dropped_tokens(encoding: Any) -> dict[str, int]:
    """Return the entry for a row that a fast tokenizer cut off; nothing for a whole one."""
    dropped = sum(piece.special_tokens_mask.count(0) for piece in encoding.overflowing)
    return {TRUNCATED: dropped} if dropped else {}
