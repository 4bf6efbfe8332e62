"""From new tokens to text, while they are generated."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from transformers import StoppingCriteria

from finetune_trainer.serving.engines.stop_text import StopFilter

# A token's text may depend on what is before it: a leading space, or the other bytes of a character.
TOKENS_BEFORE = 8
UNFINISHED = "\ufffd"
"""What stands for a character of which some bytes are still to come."""


class TextWriter(StoppingCriteria):  # type: ignore[misc]
    """Sees each new token: decodes it, hands out the text, and says when to stop."""

    def __init__(
        self,
        tokenizer: Any,
        prompt_ids: list[int],
        stops: Sequence[str],
        emit: Callable[[str], None],
        cancelled: threading.Event,
    ) -> None:
        self._next_text = (_fast_steps if tokenizer.is_fast else _slow_steps)(tokenizer, prompt_ids[-TOKENS_BEFORE:])
        self._filter = StopFilter(stops)
        self._emit = emit
        self._cancelled = cancelled

    @property
    def stopped(self) -> bool:
        """Return whether a stop string was met."""
        return self._filter.stopped

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ARG002
        """Take the newest token of `input_ids`, shape (1, length); return a flag of shape (1,)."""
        self.write(int(input_ids[0, -1]))
        done = self.stopped or self._cancelled.is_set()
        return torch.tensor([done], device=input_ids.device)

    def write(self, token: int) -> None:
        """Take one token; hand out its text as far as it is certain."""
        self._show(self._filter.feed(self._next_text(token) or ""))

    def finish(self) -> None:
        """Hand out what was held back."""
        self._show(self._filter.flush())

    def _show(self, text: str) -> None:
        if text:
            self._emit(text)


def _fast_steps(tokenizer: Any, before: list[int]) -> Callable[[int], str | None]:
    """Return a function that takes one token after the other, and returns the text that is certain by then."""
    decoder = DecodeStream(ids=before, skip_special_tokens=True)
    return lambda token: decoder.step(tokenizer.backend_tokenizer, token)


def _slow_steps(tokenizer: Any, before: list[int]) -> Callable[[int], str | None]:
    """Return the same for a tokenizer without a fast form, which decodes all of the text each time."""
    ids, shown = list(before), tokenizer.decode(before, skip_special_tokens=True)

    def step(token: int) -> str | None:
        nonlocal shown
        ids.append(token)
        text: str = tokenizer.decode(ids, skip_special_tokens=True)
        if text.endswith(UNFINISHED) or not text.startswith(shown):
            return None
        piece, shown = text[len(shown) :], text
        return piece

    return step
