"""What the trainer does while transformers' loop runs: report, evaluate, checkpoint, stop when told to."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState

from finetune_api.spec.training import TrainingSpec
from finetune_trainer.errors import NonFiniteLoss, Preempted
from finetune_trainer.log import say
from finetune_trainer.runtime import checkpoints
from finetune_trainer.runtime.preemption import Preemption
from finetune_trainer.runtime.progress import ProgressBoard, own_figures, say_progress
from finetune_trainer.runtime.step_start import RandomState, StepStart
from finetune_trainer.stages.arguments import check_steps
from finetune_trainer.tracking import Tracking
from finetune_trainer.tracking.curves import FILE, EventFile, held_out_figures, training_figures

NON_FINITE_ADVICE = "lower spec.training.learningRate, add warmupRatio, or use precision FP32; and look at the data"


class ReportProgress(TrainerCallback):  # type: ignore[misc]
    """Puts loss, rates, the estimated end and the task's own figures on the board at every reporting interval.

    Raises NonFiniteLoss when the loss is not a number.
    """

    def __init__(self, board: ProgressBoard) -> None:
        self._board = board
        self._rows = 0
        self._since = (0.0, 0, 0, 0.0)

    def count(self, rows: int) -> None:
        """Take this for the rows of an epoch."""
        self._rows = rows

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_kwargs: Any) -> None:
        """Start the clock."""
        self._since = self._now(state)
        self._board.update(step=state.global_step, total_steps=state.max_steps)

    def on_step_end(self, _args: Any, state: TrainerState, control: TrainerControl, **_kwargs: Any) -> None:
        """Count the step. Report at the end, and with every checkpoint: a resumed run averages from there on."""
        self._board.step_done(state.global_step, state.epoch, int(state.num_input_tokens_seen))
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
        (then, step, tokens, epoch), self._since = self._since, self._now(state)
        seconds = max(self._since[0] - then, 1e-9)
        # By epochs and not by steps: the last batch of an epoch, and its last step, may be smaller.
        rows = (self._since[3] - epoch) * self._rows
        self._board.update(
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            samples_per_second=rows / seconds,
            tokens_per_second=(state.num_input_tokens_seen - tokens) / seconds,
            eta_seconds=(state.max_steps - state.global_step) * seconds / max(state.global_step - step, 1),
        )
        self._board.add_metrics(train=own_figures(logs))
        say_progress(self._board.progress)

    def _now(self, state: TrainerState) -> tuple[float, int, int, float]:
        return time.monotonic(), state.global_step, state.num_input_tokens_seen, float(state.epoch or 0)


class CheckSchedule(TrainerCallback):  # type: ignore[misc]
    """Looks, once the count of steps is known, whether the schedule fits into them. Raises BadSpec."""

    def __init__(self, spec: TrainingSpec, board: ProgressBoard) -> None:
        self._spec = spec
        self._board = board

    def on_train_begin(self, args: Any, state: TrainerState, _control: Any, **_kwargs: Any) -> None:
        """Check before the first step."""
        words = check_steps(self._spec, args.get_warmup_steps(state.max_steps), state.max_steps)
        if words:
            self._board.warn(words)


class KeepCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Marks checkpoints as complete, keeps the newest, and saves one more when the pod is told to stop."""

    def __init__(self, folder: Path, preemption: Preemption) -> None:
        self._folder = folder
        self._preemption = preemption
        self._trainer: Any = None
        self._start: StepStart | None = None

    def watch(self, trainer: Any) -> None:
        """Be able to go back, in this trainer, to the beginning of a step."""
        self._trainer = trainer

    def on_step_begin(self, args: Any, _state: Any, _control: Any, **_kwargs: Any) -> None:
        """Remember where a step of several passes begins."""
        if args.gradient_accumulation_steps > 1:
            self._start = StepStart.of(self._trainer)

    def on_substep_end(self, _args: Any, state: TrainerState, control: TrainerControl, **_kwargs: Any) -> None:
        """Stop within a step if told to: it may last longer than the pod may. What it has done so far is undone."""
        if self._preemption.requested and self._start is not None:
            self._start.restore(self._trainer)
            self._stop(state, control)

    def on_step_end(self, _args: Any, state: TrainerState, control: TrainerControl, **_kwargs: Any) -> None:
        """Save and stop if told to, unless this was the last step anyway."""
        if self._preemption.requested and state.global_step < state.max_steps:
            self._stop(state, control)

    def _stop(self, state: TrainerState, control: TrainerControl) -> None:
        saved = checkpoints.is_complete(self._folder / f"{checkpoints.PREFIX}{state.global_step}")
        control.should_save = control.should_log = state.global_step > 0 and not saved
        control.should_training_stop = True

    def on_save(self, _args: Any, state: TrainerState, _control: Any, **_kwargs: Any) -> None:
        """Mark the checkpoint that was just written; drop those that are too old."""
        checkpoints.mark_complete(self._folder / f"{checkpoints.PREFIX}{state.global_step}")
        checkpoints.prune(self._folder)
        say("train", f"checkpoint at step {state.global_step}")


class DrawCurves(TrainerCallback):  # type: ignore[misc]
    """Writes what is reported while it trains: a file for each attempt, all of them in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events: EventFile | None = None

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_kwargs: Any) -> None:
        """Begin a file."""
        now = time.time()
        self._events = EventFile(self._folder / f"{FILE}.{now:.6f}", now)
        if state.global_step:
            self._events.resume(state.global_step, now)

    def on_log(
        self, _args: Any, state: TrainerState, _control: Any, logs: dict[str, float] | None = None, **_kwargs: Any
    ) -> None:
        """Add an interval; the summary at the end is none."""
        if self._events and logs and "loss" in logs:
            self._events.add(state.global_step, training_figures(logs), time.time())

    def held_out(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add how the model was judged meanwhile."""
        if self._events:
            self._events.add(step, held_out_figures(metrics), time.time())

    def on_train_end(self, *_args: Any, **_kwargs: Any) -> None:
        """Write out what is left."""
        if self._events:
            self._events.__exit__(None, None, None)
            self._events = None


class EvaluateMeanwhile(TrainerCallback):  # type: ignore[misc]
    """Judges the model on the held-out rows every so many steps, unless the pod is told to stop meanwhile."""

    def __init__(
        self,
        interval_steps: int,
        evaluate: Callable[[Any], dict[str, float]],
        board: ProgressBoard,
        preemption: Preemption,
        *,
        curves: DrawCurves,
        tracking: Tracking,
    ) -> None:
        self._curves = curves
        self._interval_steps = interval_steps
        self._evaluate = evaluate
        self._board = board
        self._preemption = preemption
        self._tracking = tracking

    def on_step_end(self, _args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Evaluate when it is time; the last step is left to stage Evaluate."""
        if state.global_step % self._interval_steps or state.global_step == state.max_steps:
            return
        model, before = kwargs["model"], RandomState.now()
        try:
            with self._preemption.interruptible():
                metrics = self._evaluate(model)
        except Preempted:
            control.should_save = control.should_log = control.should_training_stop = True
            return
        finally:
            # What a training draws does not depend on how often it is judged.
            before.restore()
            model.train()
        self._board.add_metrics(evaluation=metrics)
        self._curves.held_out(state.global_step, metrics)
        self._tracking.judged(metrics, {}, state.global_step)
        figures = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        say("train", f"held-out rows at step {state.global_step}: {figures}")
