"""A causal language model: from a prompt's tokens to text that arrives piece by piece."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jinja2 import TemplateError
from transformers import GenerationConfig, StoppingCriteriaList

from finetune_trainer.models.limits import usable_length
from finetune_trainer.serving.engines.sampling import Sampling, logits_processors
from finetune_trainer.serving.engines.text_writer import TextWriter
from finetune_trainer.serving.errors import ApiError
from finetune_trainer.tasks.text.prompt_tokens import prompt_tokens

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Outcome:
    """How a generation ended, and how many tokens it made."""

    finish_reason: FinishReason
    completion_tokens: int


class LanguageModel:
    """A loaded model with its tokenizer; `generate` may be called from many threads."""

    described: ClassVar[str] = "a language model; use /v1/completions or /v1/chat/completions"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.context_tokens = usable_length(model, tokenizer).tokens
        self._end_ids = _end_ids(model, tokenizer)
        # The request decides how to sample, not the defaults that were saved with the model.
        model.generation_config = GenerationConfig(eos_token_id=self._end_ids, pad_token_id=self._end_ids[0])

    def encode_prompt(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt, with the special tokens that the model's tokenizer puts before it."""
        return prompt_tokens(prompt, self._tokenizer)

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Return the tokens of a conversation up to where the assistant's answer begins.

        Raises ApiError 400 if the model has no chat template, or its template refuses the messages.
        """
        if not self._tokenizer.chat_template:
            raise ApiError(
                400, "the model has no chat template; use /v1/completions, or tune it on chat messages", "messages"
            )
        try:
            text = self._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        except (TemplateError, TypeError, ValueError) as error:
            raise ApiError(400, f"messages: the model's chat template refuses them: {error}", "messages") from error
        token_ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return token_ids

    def room(self, prompt_tokens: int, wanted: int | None, field: str) -> int:
        """Return how many tokens may be generated after the prompt: `wanted`, or the rest of the context.

        Raises ApiError 400 if they do not fit.
        """
        if prompt_tokens == 0:
            raise ApiError(400, f"{field}: holds no token that the model knows", field)
        left = self.context_tokens - prompt_tokens
        if left < (wanted or 1):
            raise ApiError(
                400,
                f"This model's maximum context length is {self.context_tokens} tokens. However, you requested"
                f" {prompt_tokens + (wanted or 1)} tokens ({prompt_tokens} in the {field}, {wanted or 1} in the"
                " completion). Please reduce the length of either.",
                field,
                "context_length_exceeded",
            )
        return wanted or left

    def generate(
        self, prompt_ids: list[int], sampling: Sampling, emit: Callable[[str], None], cancelled: threading.Event
    ) -> Outcome:
        """Continue the prompt, handing text to `emit` as it is made; stop early once `cancelled` is set."""
        before = self._before(prompt_ids)
        writer = TextWriter(self._tokenizer, before, sampling.stop, emit, cancelled)
        device = self._model.device
        inputs = torch.tensor([prompt_ids], device=device)
        sequence = self._model.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            generation_config=GenerationConfig(max_new_tokens=sampling.max_tokens, do_sample=False, num_beams=1),
            logits_processor=logits_processors(sampling, device),
            stopping_criteria=StoppingCriteriaList([writer]),
        )[0].tolist()
        return self._finished(writer, sequence[len(before) :])

    def _before(self, prompt_ids: list[int]) -> list[int]:
        """Return the tokens that stand before the generated ones."""
        return prompt_ids

    def _finished(self, writer: TextWriter, written: list[int]) -> Outcome:
        writer.finish()
        ended = writer.stopped or written[-1] in self._end_ids
        return Outcome("stop" if ended else "length", len(written))


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    saved = model.generation_config.eos_token_id
    saved = [saved] if isinstance(saved, int) else list(saved or [])
    ends = dict.fromkeys([*saved, tokenizer.eos_token_id])
    return [end for end in ends if end is not None]
