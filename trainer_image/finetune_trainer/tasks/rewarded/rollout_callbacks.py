"""What keeps a resumed training that learns from its own completions the same as one that was not interrupted."""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState


class SaveBetweenRollouts(TrainerCallback):  # type: ignore[misc]
    """Puts checkpoints and stops off to the step after which new completions are sampled: they are in no checkpoint."""

    def __init__(self, steps_per_rollout: int) -> None:
        self._steps_per_rollout = steps_per_rollout
        self._put_off = False

    def on_step_end(self, _args: Any, state: TrainerState, control: TrainerControl, **_kwargs: Any) -> None:
        """Hold a wish to save or stop back until all completions are learnt from; the last step is never held back."""
        if state.global_step % self._steps_per_rollout == 0 or state.global_step >= state.max_steps:
            if self._put_off:
                control.should_save = control.should_log = True
            self._put_off = False
            return
        self._put_off = self._put_off or control.should_save
        control.should_save = False
        control.should_training_stop = False


class OrderByEpoch(TrainerCallback):  # type: ignore[misc]
    """Lets the epoch alone decide the order of the rows, however often the training was resumed."""

    def __init__(self, shuffle: Callable[[int, Any], None]) -> None:
        self._shuffle = shuffle

    def on_epoch_begin(
        self, _args: Any, state: TrainerState, _control: Any, train_dataloader: Any = None, **_kwargs: Any
    ) -> None:
        """Shuffle by the epoch that begins, or that is gone on with."""
        self._shuffle(int(state.epoch or 0), train_dataloader)
