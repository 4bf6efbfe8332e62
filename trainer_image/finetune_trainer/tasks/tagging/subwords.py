"""Words and their sub-words."""

from collections.abc import Iterable, Iterator


def first_subwords(word_ids: Iterable[int | None]) -> Iterator[tuple[int, int]]:
    """Yield for each word the position of its first sub-word, and the word's index.

    `word_ids` are a fast tokenizer's: the word of each token, None for special ones. A word beyond the cut, or one
    that the tokenizer makes nothing of, is not among them.
    """
    previous = None
    for position, word in enumerate(word_ids):
        if word is not None and word != previous:
            yield position, word
        previous = word
