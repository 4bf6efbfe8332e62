"""A text's words, as data of named entities has them: punctuation stands for itself, Ada's and well-known are one."""

import re

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Characters of Chinese and Japanese, which write no blanks: each is a word."""
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+(?:[-'’.][^\W_{UNSPACED}]+)*|\S")


def words_in(text: str) -> list[tuple[int, int]]:
    """Return the first character of each word, and the one after its last."""
    return [match.span() for match in WORD.finditer(text)]
