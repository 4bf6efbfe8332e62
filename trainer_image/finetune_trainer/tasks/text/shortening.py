"""What is longer than the model may read."""


def shortened(ids: list[int], length: int) -> list[int]:
    """Return at most `length` ids: what is too long loses what is before its last token, the end token."""
    return ids if len(ids) <= length else [*ids[: length - 1], ids[-1]]
