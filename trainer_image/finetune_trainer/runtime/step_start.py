"""The state that an optimizer step began with, to go back to when the training is told to stop within the step."""

import random
from dataclasses import dataclass
from typing import Any

import numpy
import torch


@dataclass(frozen=True)
class RandomState:
    """The states of every generator that a training draws from."""

    python: Any
    numpy: Any
    torch: Any
    devices: list[Any]

    @classmethod
    def now(cls) -> "RandomState":
        """Return the states as they are."""
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return cls(random.getstate(), numpy.random.get_state(), torch.get_rng_state(), devices)

    def restore(self) -> None:
        """Let the generators go on from here."""
        random.setstate(self.python)
        numpy.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.devices:
            torch.cuda.set_rng_state_all(self.devices)


@dataclass(frozen=True)
class StepStart:
    """What the forward passes of a step change before its weights do: generators, the loss so far, tokens seen."""

    generators: RandomState
    loss: Any
    tokens: int

    @classmethod
    def of(cls, trainer: Any) -> "StepStart":
        """Return the state of transformers' trainer between two steps."""
        return cls(RandomState.now(), trainer._tr_loss.clone(), trainer.state.num_input_tokens_seen)

    def restore(self, trainer: Any) -> None:
        """Undo the passes of a step that is not finished; its gradients must not be used any more."""
        self.generators.restore()
        trainer._tr_loss.copy_(self.loss)
        trainer.state.num_input_tokens_seen = self.tokens
