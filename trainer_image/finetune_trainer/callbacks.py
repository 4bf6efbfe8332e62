"""What the trainer does while transformers' loop runs: report, evaluate, checkpoint, stop when told to."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState

from finetune_trainer import checkpoints
from finetune_trainer.errors import NonFiniteLoss
from finetune_trainer.log import say
from finetune_trainer.preemption import Preemption
from finetune_trainer.progress import ProgressBoard, say_progress

NON_FINITE_ADVICE = "lower spec.training.learningRate, add warmupRatio, or use precision FP32; and look at the data"


class ReportProgress(TrainerCallback):  # type: ignore[misc]
    """Puts loss, rates and the estimated end on the board at every reporting interval.

    Raises NonFiniteLoss when the loss is not a number.
    """

    def __init__(self, board: ProgressBoard, rows_per_step: int) -> None:
        self._board = board
        self._rows_per_step = rows_per_step
        self._since = (0.0, 0, 0)

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_kwargs: Any) -> None:
        """Start the clock."""
        self._since = (time.monotonic(), state.global_step, state.num_input_tokens_seen)
        self._board.update(step=state.global_step, total_steps=state.max_steps)

    def on_step_end(self, _args: Any, state: TrainerState, control: TrainerControl, **_kwargs: Any) -> None:
        """Count the step. Report at the end, and with every checkpoint: a resumed run averages from there on."""
        self._board.update(step=state.global_step, epoch=state.epoch)
        if control.should_save or state.global_step == state.max_steps:
            control.should_log = True

    def on_log(
        self,
        _args: Any,
        state: TrainerState,
        _control: Any,
        logs: dict[str, float] | None = None,
        **_kwargs: Any,
    ) -> None:
        """Report an interval; logs that are not of the loss (the summary at the end) are passed over."""
        if not logs or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise NonFiniteLoss(f"the loss became {logs['loss']} by step {state.global_step}; {NON_FINITE_ADVICE}")
        then, step, tokens = self._since
        self._since = (time.monotonic(), state.global_step, state.num_input_tokens_seen)
        seconds = max(self._since[0] - then, 1e-9)
        steps = state.global_step - step
        self._board.update(
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            samples_per_second=steps * self._rows_per_step / seconds,
            tokens_per_second=(state.num_input_tokens_seen - tokens) / seconds,
            eta_seconds=(state.max_steps - state.global_step) * seconds / max(steps, 1),
        )
        say_progress(self._board.progress)


class KeepCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Marks checkpoints as complete, keeps the newest, and saves one more when the pod is told to stop."""

    def __init__(self, folder: Path, preemption: Preemption) -> None:
        self._folder = folder
        self._preemption = preemption

    def on_step_end(self, _args: Any, state: TrainerState, control: TrainerControl, **_kwargs: Any) -> None:
        """Save and stop if told to, unless this was the last step anyway."""
        if self._preemption.requested and state.global_step < state.max_steps:
            control.should_save = True
            control.should_log = True
            control.should_training_stop = True

    def on_save(self, _args: Any, state: TrainerState, _control: Any, **_kwargs: Any) -> None:
        """Mark the checkpoint that was just written; drop those that are too old."""
        checkpoints.mark_complete(self._folder / f"{checkpoints.PREFIX}{state.global_step}")
        checkpoints.prune(self._folder)
        say("train", f"checkpoint at step {state.global_step}")


class EvaluateMeanwhile(TrainerCallback):  # type: ignore[misc]
    """Judges the model on the held-out rows every so many steps."""

    def __init__(self, interval_steps: int, evaluate: Callable[[Any], dict[str, float]], board: ProgressBoard) -> None:
        self._interval_steps = interval_steps
        self._evaluate = evaluate
        self._board = board

    def on_step_end(self, _args: Any, state: TrainerState, _control: Any, **kwargs: Any) -> None:
        """Evaluate when it is time; the last step is left to stage Evaluate."""
        if state.global_step % self._interval_steps or state.global_step == state.max_steps:
            return
        model = kwargs["model"]
        metrics = self._evaluate(model)
        model.train()
        self._board.add_metrics(evaluation=metrics)
        figures = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        say("train", f"held-out rows at step {state.global_step}: {figures}")
