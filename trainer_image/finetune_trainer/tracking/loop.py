"""What transformers' loop tells, handed over to the tracker."""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback


class Loop(TrainerCallback):  # type: ignore[misc]
    """Hands over parameters and figures."""

    def __init__(
        self, began: Callable[[Any, Any, Any, Any], None], trained: Callable[[dict[str, float], int], None]
    ) -> None:
        self._began = began
        self._trained = trained

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_kwargs: Any) -> None:
        """Hand over the parameters."""
        self._began(args, state, control, model)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Hand over figures."""
        self._trained(dict(logs or {}), state.global_step)
