"""What tokenizers add to a text on their own: a prompt may begin with it, but must not end with it."""

import json
from typing import Any

from finetune_trainer.log import say


def prompt_tokens(text: str, tokenizer: Any) -> list[int]:
    """Return a text in token ids, with what the tokenizer puts before texts but not what it puts behind them."""
    tokens = tokenizer(text, return_special_tokens_mask=True, verbose=False)
    ids: list[int] = tokens["input_ids"]
    mask = tokens["special_tokens_mask"]
    added = _added_behind(mask) if 0 in mask else _added_to_texts(tokenizer)
    return ids[: len(ids) - added]


def open_ended(tokenizer: Any) -> Any:
    """Return the tokenizer of a model that continues texts, made to put nothing behind them.

    Otherwise whoever uses the published model would ask it to go on after the end.
    """
    if not _added_to_texts(tokenizer):
        return tokenizer
    if tokenizer.is_fast:
        _take_out_ends(tokenizer)
    elif getattr(tokenizer, "add_eos_token", False):
        tokenizer.add_eos_token = False
    say("model", "the folder's tokenizer puts an end token behind every text; here, and published, it does not")
    return tokenizer


def _added_to_texts(tokenizer: Any) -> int:
    """Return how many tokens the tokenizer puts behind any text."""
    return _added_behind(tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"])


def _added_behind(mask: list[int]) -> int:
    """Return how many tokens the mask marks as added at the end; none where it marks all."""
    return next((count for count, added in enumerate(reversed(mask)) if not added), 0)


def _take_out_ends(tokenizer: Any) -> None:
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["post_processor"] = _without_ends(state["post_processor"])
    tokenizer.backend_tokenizer.post_processor = Tokenizer.from_str(json.dumps(state)).post_processor
    # Its setter would make the post-processor anew, and forget what else it does.
    object.__setattr__(tokenizer, "_add_eos_token", False)


def _without_ends(processor: dict[str, Any]) -> dict[str, Any]:
    """Return a post-processor, as tokenizers writes it, that puts nothing behind a text."""
    match processor["type"]:
        case "Sequence":
            return {**processor, "processors": [_without_ends(part) for part in processor["processors"]]}
        case "TemplateProcessing":
            return {**processor, "single": _open(processor["single"]), "pair": _open(processor["pair"])}
        case "BertProcessing" | "RobertaProcessing":
            token, number = processor["cls"]
            return _template_beginning_with(token, number)
        case _:
            return processor


def _open(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = max(index for index, piece in enumerate(pieces) if "Sequence" in piece)
    return pieces[: last + 1]


def _template_beginning_with(token: str, number: int) -> dict[str, Any]:
    first, text, other = (
        {"SpecialToken": {"id": token, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 0}},
    )
    known = {token: {"id": token, "ids": [number], "tokens": [token]}}
    return {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, other],
        "special_tokens": known,
    }
