"""A reward model: answers to scores."""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

from finetune_trainer.errors import BadData
from finetune_trainer.models.limits import usable_length
from finetune_trainer.serving.errors import ApiError
from finetune_trainer.tasks.chats.prompts import Turns
from finetune_trainer.tasks.rewarded.reward_scoring import LABEL, reward_ids, rewards_of
from finetune_trainer.tasks.text.shortening import shortened

BATCH_SIZE = 32


class Scorer:
    """A loaded model with its tokenizer; `score` may be called from many threads."""

    described: ClassVar[str] = "a reward model; use /v1/score"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._pad_token_id = model.config.get_text_config().pad_token_id
        self.context_tokens = usable_length(model, tokenizer).tokens

    def score(self, texts: list[Turns], cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """Yield a reward for each text or chat. `truncated` says that it was longer than the model can read.

        Raises ApiError 400 for a chat that the model's template cannot spell.
        """
        rows = [self._ids(text) for text in texts]
        for start in range(0, len(rows), BATCH_SIZE):
            if cancelled.is_set():
                return
            batch = rows[start : start + BATCH_SIZE]
            rewards = rewards_of(
                self._model, self._pad_token_id, [shortened(row, self.context_tokens) for row in batch]
            )
            for row, reward in zip(batch, rewards.tolist(), strict=True):
                yield {"score": reward, "truncated": len(row) > self.context_tokens}

    def _ids(self, text: Turns) -> list[int]:
        if not isinstance(text, str) and not self._tokenizer.chat_template:
            raise ApiError(400, "input: the model has no chat template; send prompt and answer as one text", "input")
        try:
            return reward_ids(text, self._tokenizer)
        except BadData as error:
            raise ApiError(400, f"input: {error.message}", "input") from error


def is_reward_model(config: Any) -> bool:
    """Tell whether a published config.json is that of a reward model, and not of another model with one output."""
    return bool(config.num_labels == 1 and config.id2label == {0: LABEL})
