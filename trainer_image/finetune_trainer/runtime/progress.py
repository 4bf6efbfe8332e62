"""How far the run has come: one board that the stages write to, and that the progress server reads."""

import math
import threading
import time
from typing import Any

from finetune_api.handoff import Metrics, Progress, Stage
from finetune_trainer.log import say, warn

WARNINGS = 4
WARNING_CHARACTERS = 300
"""The termination report has little room."""
TOLD_ELSEWHERE = ("step", "loss", "learning_rate", "epoch", "step_time", "num_tokens", "num_input_tokens_seen")
RATES = ("_per_second", "_runtime", "_time")
OWN_FIGURES = 32


class ProgressBoard:
    """The newest state. Written by the main thread and, as to the tracker, by its thread; read by any."""

    def __init__(self, run_id: str) -> None:
        self._lock = threading.RLock()
        self.last_step_timestamp: float | None = None
        """When the newest step ended, in seconds since 1970."""
        self.tokens_seen = 0
        """Tokens learnt from, by the run's earlier attempts too."""
        self._progress = Progress(run_id=run_id, stage=Stage.DATA)

    @property
    def progress(self) -> Progress:
        """Return the state as it is now."""
        with self._lock:
            return self._progress

    def update(self, **changes: Any) -> None:
        """Set fields of the state."""
        with self._lock:
            self._progress = self._progress.model_copy(update=changes)

    def step_done(self, step: int, epoch: float | None, tokens_seen: int) -> None:
        """Note that an optimizer step has ended just now."""
        self.last_step_timestamp, self.tokens_seen = time.time(), tokens_seen
        self.update(step=step, epoch=epoch)

    def enter(self, stage: Stage) -> None:
        """Note that a stage begins."""
        self.update(stage=stage)

    def warn(self, words: str) -> None:
        """Add a warning, which log and status show; once, however often it is given."""
        words = words[:WARNING_CHARACTERS]
        with self._lock:
            known = self.progress.warnings
            is_new = words not in known and len(known) < WARNINGS
            if is_new:
                self.update(warnings=[*known, words])
        if is_new:
            warn(words)

    def add_metrics(
        self,
        train: dict[str, float] | None = None,
        evaluation: dict[str, float] | None = None,
        baseline: dict[str, float] | None = None,
    ) -> None:
        """Add figures to those that are there."""
        old = self.progress.metrics
        self.update(
            metrics=Metrics(
                train={**old.train, **(train or {})},
                evaluation={**old.evaluation, **(evaluation or {})},
                baseline={**old.baseline, **(baseline or {})},
            )
        )


def own_figures(logs: dict[str, float]) -> dict[str, float]:
    """Return what a trainer logs beside loss and rate, such as rewards, margins, divergence and gradient norm."""
    figures = {
        name.replace("/", "_"): float(value)
        for name, value in logs.items()
        if name not in TOLD_ELSEWHERE
        and not name.endswith(RATES)
        and isinstance(value, int | float)
        and math.isfinite(value)
    }
    return dict(list(figures.items())[:OWN_FIGURES])


def say_progress(progress: Progress) -> None:
    """Print one line about the training, such as `train  120/210  57 %  loss 0.312  lr 3.2e-05  eta 12s`."""
    total = progress.total_steps or 0
    parts = [f"{progress.step}/{total}", f"{100 * progress.step // max(total, 1):d} %"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4g}")
    if progress.learning_rate is not None:
        parts.append(f"lr {progress.learning_rate:.2g}")
    if progress.samples_per_second is not None:
        parts.append(f"{progress.samples_per_second:.3g} rows/s")
    if progress.tokens_per_second:
        parts.append(f"{progress.tokens_per_second:.0f} tokens/s")
    if progress.eta_seconds is not None:
        parts.append(f"eta {duration(progress.eta_seconds)}")
    say("train", "  ".join(parts))


def duration(seconds: float) -> str:
    """Return a length of time for people, such as 12s, 4m10s or 2h05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
