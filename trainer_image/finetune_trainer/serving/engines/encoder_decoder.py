"""An encoder-decoder: reads a prompt as a whole and writes a text of its own."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from transformers import GenerationConfig, StoppingCriteriaList

from finetune_trainer.models.limits import usable_length
from finetune_trainer.serving.engines.language import LanguageModel, Outcome
from finetune_trainer.serving.engines.sampling import Sampling
from finetune_trainer.serving.engines.text_writer import TextWriter
from finetune_trainer.serving.errors import ApiError


class EncoderDecoder(LanguageModel):
    """A language model whose text does not continue the prompt.

    At temperature 0 it writes by the search that was published with it, so what was evaluated. Its prefix is put before
    every prompt.
    """

    described: ClassVar[str] = "an encoder-decoder model; use /v1/completions"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        published = model.generation_config
        super().__init__(model, tokenizer)
        self.context_tokens = usable_length(model, tokenizer, side="encoder").tokens
        longest = usable_length(model, tokenizer, side="decoder").tokens
        self._longest_text = max(longest, published.max_new_tokens or 0)
        published.eos_token_id, published.pad_token_id = self._end_ids, tokenizer.pad_token_id
        model.generation_config = published
        self._beams = published.num_beams or 1
        self._prefix = getattr(model.config, "prefix", None) or ""
        start = published.decoder_start_token_id
        self._start = model.config.decoder_start_token_id if start is None else start

    def encode_prompt(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt, after the model's prefix."""
        token_ids: list[int] = self._tokenizer(self._prefix + prompt)["input_ids"]
        return token_ids

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Raise ApiError 400: such models read one text."""
        del messages
        raise ApiError(400, f"this is {self.described}", "model")

    def room(self, prompt_tokens: int, wanted: int | None, field: str) -> int:
        """Return how many tokens may be written, whatever the prompt takes. Raises ApiError 400 if it is too long."""
        if prompt_tokens > self.context_tokens:
            raise ApiError(
                400,
                f"{field}: has {prompt_tokens} tokens, and this model reads at most {self.context_tokens}; shorten it",
                field,
                "context_length_exceeded",
            )
        return min(wanted or self._longest_text, self._longest_text)

    def generate(
        self, prompt_ids: list[int], sampling: Sampling, emit: Callable[[str], None], cancelled: threading.Event
    ) -> Outcome:
        """Write a text, handing it to `emit` as it is made, or as a whole after a search with several beams."""
        if sampling.temperature or self._beams == 1:
            return super().generate(prompt_ids, sampling, emit, cancelled)

        def stop(rows: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ARG001
            return torch.full(rows.shape[:1], cancelled.is_set(), device=rows.device)

        inputs = torch.tensor([prompt_ids], device=self._model.device)
        settings = GenerationConfig(max_new_tokens=sampling.max_tokens, do_sample=False, num_beams=self._beams)
        criteria = StoppingCriteriaList([stop])
        sequence = self._model.generate(inputs, generation_config=settings, stopping_criteria=criteria)[0].tolist()
        written = sequence[len(self._before(prompt_ids)) :]
        writer = TextWriter(self._tokenizer, self._before(prompt_ids), sampling.stop, emit, cancelled)
        for token in written:
            writer.write(token)
        return self._finished(writer, written)

    def _before(self, prompt_ids: list[int]) -> list[int]:
        del prompt_ids
        return [self._start]
