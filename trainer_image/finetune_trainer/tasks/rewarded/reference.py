"""The base model beside the tuned one, to measure how far the one went from the other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

INSIDE = (True, "gaussian", "orthogonal")
"""PEFT's initialisations under which the base weights stay as they are, so that the base model is still inside."""


class Reference:
    """The base model: inside an adapted one with its adapters off, or else another copy, which is loaded here."""

    def __init__(self, tuned: Any, load: Callable[[], Any]) -> None:
        configs = getattr(tuned, "peft_config", {})
        self._inside = bool(configs) and all(config.init_lora_weights in INSIDE for config in configs.values())
        self._model = tuned if self._inside else _loaded(load)

    @contextmanager
    def active(self) -> Iterator[Any]:
        """Yield the base model; while it is in use, an adapted model around it is not."""
        if not self._inside:
            yield self._model
            return
        with self._model.disable_adapter():
            yield self._model


def _loaded(load: Callable[[], Any]) -> Any:
    """Load a model without a trace in the random numbers that a training goes on to draw."""
    import torch

    with torch.random.fork_rng():
        return load().eval().requires_grad_(False)
