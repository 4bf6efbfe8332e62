"""Completions of many prompts at once, in token ids, and what a model thinks of them."""

from dataclasses import dataclass
from typing import Any

Ids = list[int]


@dataclass(frozen=True)
class Sampling:
    """How to complete: at most `length` tokens; greedily where there is no temperature."""

    length: int
    temperature: float | None = None


@dataclass(frozen=True)
class Completed:
    """A batch of prompts with responses as the model reads them, filled up at the end.

    `ids` and `attention` are [rows, tokens]. `targets`, `places` and `mask` are [rows, longest response]: the
    response's tokens, where in the row the logits stand that foretell them, and which of them there are.
    """

    ids: Any
    attention: Any
    targets: Any
    places: Any
    mask: Any

    @classmethod
    def of(cls, prompts: list[Ids], responses: list[Ids], padding: int, device: str) -> "Completed":
        """Put prompts and responses into tensors."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        def stacked(rows: list[Ids], value: int) -> Any:
            return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value).to(device)

        whole = [prompt + response for prompt, response in zip(prompts, responses, strict=True)]
        pairs = list(zip(prompts, responses, strict=True))
        return cls(
            ids=stacked(whole, padding),
            attention=stacked([[1] * len(row) for row in whole], 0),
            targets=stacked(responses, padding),
            places=stacked([list(range(len(p) - 1, len(p) + len(r) - 1)) for p, r in pairs], 0),
            mask=stacked([[1] * len(response) for response in responses], 0).bool(),
        )

    def at_responses(self, states: Any) -> Any:
        """Return the states [rows, tokens, size] that foretell the responses: [rows, longest response, size]."""
        return states.gather(1, self.places.unsqueeze(-1).expand(-1, -1, states.shape[-1]))

    def logits(self, model: Any) -> Any:
        """Return the model's logits for the responses' tokens: float32 [rows, longest response, vocabulary]."""
        output = model(input_ids=self.ids, attention_mask=self.attention, use_cache=False)
        return self.at_responses(output.logits).float()


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Return the ids of the tokens that end a completion: all that the model or the tokenizer names."""
    named = model.generation_config.eos_token_id
    ids = named if isinstance(named, list) else [named]
    return sorted({token for token in (*ids, tokenizer.eos_token_id) if token is not None})


def complete_all(model: Any, tokenizer: Any, prompts: list[Ids], sampling: Sampling) -> list[Ids]:
    """Return the model's responses to a batch of prompts; those that come to an end have their end token."""
    import torch

    batch = tokenizer.pad({"input_ids": prompts}, return_tensors="pt", padding_side="left").to(model.device)
    ends = end_tokens(model, tokenizer)
    how: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if sampling.temperature is not None:
        how = {"do_sample": True, "temperature": sampling.temperature, "top_p": 1.0, "top_k": 0}
    with torch.no_grad():
        output = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=sampling.length,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=ends or None,
            repetition_penalty=1.0,
            **how,
        )
    return [_until_end(row, ends) for row in output[:, batch["input_ids"].shape[1] :].tolist()]


def _until_end(ids: Ids, ends: list[int]) -> Ids:
    last = next((index for index, token in enumerate(ids) if token in ends), len(ids) - 1)
    return ids[: last + 1]
