"""How the next token is chosen. Each request draws from a generator of its own, so seeds hold under concurrency."""

from dataclasses import dataclass

import torch
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper


@dataclass(frozen=True)
class Sampling:
    """A request's wishes. Temperature 0 takes the likeliest token; a seed makes draws repeatable."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None


class GumbelNoise(LogitsProcessor):  # type: ignore[misc]
    """Adds Gumbel noise, after which the argmax is a draw from the softmax (the Gumbel-max trick).

    `generate` itself would draw from the one global generator that all threads share.
    """

    def __init__(self, device: torch.device, seed: int | None) -> None:
        self._generator = torch.Generator(device=device)
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return `scores` of shape (1, vocabulary) with noise added."""
        return scores - torch.empty_like(scores).exponential_(generator=self._generator).log_()


def logits_processors(sampling: Sampling, device: torch.device) -> LogitsProcessorList:
    """Return the processors that make greedy search draw as `sampling` asks."""
    if sampling.temperature == 0:
        return LogitsProcessorList()
    processors = [TemperatureLogitsWarper(float(sampling.temperature))]
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(float(sampling.top_p)))
    return LogitsProcessorList([*processors, GumbelNoise(device, sampling.seed)])
