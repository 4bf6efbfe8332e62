"""What a model answers to a few held-out rows, and how far two models' answers lie apart."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded
from finetune_trainer.records import LogitDifference
from finetune_trainer.runtime.device import Device

ROWS = 8
TOKENS = 256
POSITIONS = 64
"""Of a longer row, the logits of the last tokens count: vocabularies are large."""

Question = dict[str, list[int]]
Row = dict[str, Any]


def questions(
    encode: Callable[[list[Row], Loaded, int], list[Row]], rows: Sequence[Row], loaded: Loaded, max_length: int
) -> list[Question]:
    """Return the first rows as inputs of the model's forward pass, one for each row.

    Tasks whose encoded rows are no inputs of the model itself (pairs, prompts) ask by the words of the row.
    """
    length = usable_length(loaded.model, loaded.tokenizer, min(TOKENS, max_length)).tokens
    asked = list(rows[:ROWS])
    encoded = encode(asked, loaded, max_length)
    if not encoded or "input_ids" not in encoded[0]:
        texts = [" ".join(_words(row)) for row in asked]
        encoded = [dict(loaded.tokenizer(text, truncation=True, max_length=length)) for text in texts]
    known = inspect.signature(type(loaded.model).forward).parameters
    return [_question(row, known, loaded.model.config, length) for row in encoded]


def answers(model: Any, asked: list[Question], device: Device) -> list[Any]:
    """Return the model's logits for each question, float32 [positions, outputs], on the CPU."""
    import torch

    model = device.place(model)
    replies = []
    with torch.no_grad(), device.autocast():
        for question in asked:
            batch = {name: torch.tensor([values], device=device.name) for name, values in question.items()}
            logits = model(**batch).logits[0].float().cpu()
            replies.append(logits.reshape(-1, logits.shape[-1])[-POSITIONS:])
    return replies


def difference(expected: list[Any], found: list[Any]) -> LogitDifference:
    """Compare two models' logits for the same questions."""
    largest = max(float((left - right).abs().max()) for left, right in zip(expected, found, strict=True))
    scale = max(float(left.abs().max()) for left in expected)
    same = [left.argmax(-1) == right.argmax(-1) for left, right in zip(expected, found, strict=True)]
    count = sum(len(row) for row in same)
    choices = expected[0].shape[-1]
    agreement = sum(int(row.sum()) for row in same) / count if choices > 1 else None
    return LogitDifference(largest, largest / scale if scale else 0.0, agreement, len(same), count)


def _question(row: Row, known: Any, config: Any, length: int) -> Question:
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in row and name in known]
    question: Question = {name: list(row[name])[:length] for name in names}
    if config.is_encoder_decoder:
        # The reply so far, as teacher forcing feeds it.
        wanted = row.get("labels", question["input_ids"])
        start = config.decoder_start_token_id
        reply = [token if token >= 0 else config.pad_token_id for token in wanted]
        question["decoder_input_ids"] = [start, *reply[:-1]][:length]
    return question


def _words(value: Any) -> Iterator[str]:
    """Yield all texts in a row, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _words(member)
