"""What transformers' loop tells, handed over to the tracker."""

from typing import Any

from transformers import TrainerCallback

from finetune_trainer.tracking.tracking import Tracked


class Loop(TrainerCallback):  # type: ignore[misc]
    """Hands over parameters and figures."""

    def __init__(self, tracked: Tracked) -> None:
        self._tracked = tracked

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_kwargs: Any) -> None:
        """Hand over the parameters."""
        self._tracked.began(args, state, control, model)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Hand over figures."""
        self._tracked.trained(dict(logs or {}), state.global_step)
