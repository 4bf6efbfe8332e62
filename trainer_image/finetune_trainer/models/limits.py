"""How many tokens a model takes: the one answer for training, evaluation, generation, packing and serving."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["encoder", "decoder"]
"""The part of an encoder-decoder that is asked about."""

BY_WISH = "spec.training.maxLength"
BY_MODEL = "the model's positions"
BY_TOKENIZER = "the tokenizer's model_max_length"

LONGEST_TOKENS = 1_048_576
"""Stands in where neither the spec nor the model nor its tokenizer states a limit; what is beyond states none."""
UNLIMITED = int(1e30)
"""What transformers writes for a tokenizer that knows no limit."""
POSITION_TABLES = frozenset({"position_embeddings", "embed_positions", "wpe", "positions_embed"})
"""What the models call their tables of positions."""


@dataclass(frozen=True)
class Length:
    """At most so many tokens, and what says so: BY_WISH, BY_MODEL or BY_TOKENIZER."""

    tokens: int
    bound: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.tokens} tokens ({self.bound})"

    @property
    def remedy(self) -> str:
        """What to do about rows that are longer."""
        if self.bound == BY_WISH:
            return f"raise {BY_WISH}, or shorten the rows"
        return "shorten the rows, or use a model that takes longer ones"


def usable_length(model: Any, tokenizer: Any, wished: int | None = None, side: Side | None = None) -> Length:
    """Return how many tokens a row may have: what is wished, but no more than the model can place.

    `side` is the part of an encoder-decoder that reads or writes the row; without, both do. What the tokenizer states
    counts only where neither a wish nor the model does: it is often that of another model, or of none.
    """
    placed = min(_placed(model, side), default=None)
    if wished is not None:
        return Length(wished, BY_WISH) if placed is None or wished <= placed else Length(placed, BY_MODEL)
    if placed is not None:
        return Length(placed, BY_MODEL)
    return Length(_stated(tokenizer.model_max_length) or LONGEST_TOKENS, BY_TOKENIZER)


def published_length(model: Any, tokenizer: Any, learnt: int) -> int:
    """Return what a tokenizer should state that is published with a model which learnt rows of `learnt` tokens.

    That is what it states already, but no less than the model learnt, and no more than it can place.
    """
    stated = _stated(tokenizer.model_max_length)
    length = min([*_placed(model, None), *([max(stated, learnt)] if stated else [])], default=None)
    return int(UNLIMITED if stated is None else stated) if length is None else length


def _placed(model: Any, side: Side | None) -> set[int]:
    """Return the limits of the model's configuration and those of the tables of positions that it describes."""
    stated = set(_limits(model.config, side))
    tables = (module for name, module in model.named_modules() if POSITION_TABLES & set(name.split(".")))
    return stated | {
        _places(table)
        for table in tables
        if getattr(getattr(table, "weight", None), "ndim", 0) == 2
        and table.weight.shape[0] - (getattr(table, "offset", None) or 0) in stated
    }


def _limits(config: Any, side: Side | None) -> Iterator[int]:
    """Yield what the configuration states, of the text's part and of the side that is asked about."""
    sides = (side,) if side else ("encoder", "decoder")
    names = ("max_position_embeddings", "max_seq_len", *(f"max_{one}_position_embeddings" for one in sides))
    parts = [config, config.get_text_config(), *(getattr(config, one, None) for one in sides)]
    values = (getattr(part, name, None) for part in parts if part is not None for name in names)
    return (limit for limit in map(_stated, values) if limit)


def _places(table: Any) -> int:
    """Return how many tokens a table has places for: they may begin behind the padding (RoBERTa), or at 2 (BART)."""
    offset = getattr(table, "offset", None)
    if offset is None:
        padding = getattr(table, "padding_idx", None)
        offset = 0 if padding is None else padding + 1
    return int(table.weight.shape[0]) - int(offset)


def _stated(value: Any) -> int | None:
    """Return a limit, or None for what is none: nothing, -1, or the huge number of a tokenizer that knows none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value <= LONGEST_TOKENS else None
