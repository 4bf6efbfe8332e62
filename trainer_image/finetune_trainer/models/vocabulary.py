"""Whether a tokenizer's tokens are the model's."""

from typing import Any

from finetune_trainer.errors import BadSpec

SHOWN_TOKENS = 3


def check_vocabulary(model: Any, tokenizer: Any, field: str) -> None:
    """Raise BadSpec naming both sizes if the tokenizer has tokens beyond the model's embeddings."""
    rows = embedding_rows(model)
    beyond = sorted((number, token) for token, number in tokenizer.get_vocab().items() if rows and number >= rows)
    if not beyond:
        return
    shown = ", ".join(f"{token} ({number})" for number, token in beyond[:SHOWN_TOKENS])
    more = f" and {len(beyond) - SHOWN_TOKENS} more" if len(beyond) > SHOWN_TOKENS else ""
    size = beyond[-1][0] + 1
    raise BadSpec(
        f"the model has {rows} embeddings and its tokenizer {size} tokens: {shown}{more} have none. Call"
        f" model.resize_token_embeddings({size}) where the tokens were added, or take them out of the tokenizer, and"
        " upload both",
        field,
    )


def embedding_rows(model: Any) -> int | None:
    """Return how many tokens the model has embeddings for; None where it has no table of them."""
    try:
        weight = getattr(model.get_input_embeddings(), "weight", None)
    except NotImplementedError:
        return None
    return int(weight.shape[0]) if weight is not None and weight.ndim == 2 else None


def check_padding(config: Any, field: str) -> None:
    """Raise BadSpec for a padding token beyond the vocabulary, with which the embeddings cannot even be made."""
    settings = config.get_text_config()
    padding, size = getattr(settings, "pad_token_id", None), getattr(settings, "vocab_size", None)
    if isinstance(padding, int) and isinstance(size, int) and padding >= size:
        raise BadSpec(
            f"the model's config.json has pad_token_id {padding}, but its vocabulary ends at {size - 1} (vocab_size"
            f" {size}); set the id of a token that it has, or resize the embeddings, and upload it again",
            field,
        )
