"""Progress, metrics and the score, as the status shows them."""

import math
from collections.abc import Mapping
from datetime import datetime

from finetune_api.handoff import Metrics, Progress
from finetune_api.status import MetricsStatus, ProgressStatus
from finetune_api.tasks import TaskOptions
from finetune_operator.manifests import timestamp

METRIC_LIMIT = 64
METRIC_NAME_LIMIT = 128
SIGNIFICANT_DIGITS = 6
LOWER_IS_BETTER = ("loss",)
"""Among the metrics that a task may have as its score."""
WARNING_LIMIT = 8
WARNING_CHARACTERS = 1024
SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600

_OF_THE_STEPS = ("loss", "learning_rate", "samples_per_second", "tokens_per_second")
_NO_ETA: dict[str, None] = {"eta": None, "eta_seconds": None}
_AT_REST = {**_NO_ETA, "waiting": None}


def progress_status(progress: Progress, known: ProgressStatus | None) -> ProgressStatus:
    """Return what a pod says of its progress, for the status.

    known: what the status tells of the run already. A pod that resumes still reads data and model before it knows its
    steps: until then the figures of the pod before stand. One that finds all steps done has no figures of its own.
    """
    if known is not None and known.step > progress.step and progress.total_steps is None:
        return known.model_copy(update={"stage": str(progress.stage), **_NO_ETA, "waiting": progress.waiting})
    if known is not None and known.step <= progress.step:
        untold = [name for name in _OF_THE_STEPS if getattr(progress, name) is None]
        progress = progress.model_copy(update={name: getattr(known, name) for name in untold})
    step, total = progress.step, progress.total_steps
    percent = min(100, 100 * step // total) if total else None
    eta = _whole(progress.eta_seconds) or None
    return ProgressStatus(
        stage=str(progress.stage),
        step=step,
        total_steps=total,
        percent=percent,
        display=f"{step}/{total} {percent}%" if total else str(step) if step else None,
        epoch=_rounded(progress.epoch),
        loss=_rounded(progress.loss),
        learning_rate=_rounded(progress.learning_rate),
        eta_seconds=eta,
        eta=duration(eta) if eta is not None else None,
        samples_per_second=_rounded(progress.samples_per_second),
        tokens_per_second=_rounded(progress.tokens_per_second),
        trainable_parameters=progress.trainable_parameters,
        waiting=progress.waiting and progress.waiting[:WARNING_CHARACTERS],
    )


def at_rest(progress: ProgressStatus | None) -> ProgressStatus | None:
    """Return the progress of a run that no pod works on: nothing can be said of when it will be done."""
    return progress.model_copy(update=_AT_REST) if progress else None


def staged(progress: ProgressStatus | None, known: ProgressStatus | None, now: datetime) -> ProgressStatus | None:
    """Return the progress with when its stage began. known: what the status tells of the run already."""
    if progress is None:
        return None
    since = known.stage_started_at if known and known.stage == progress.stage else timestamp(now)
    return progress.model_copy(update={"stage_started_at": since})


def duration(seconds: int) -> str:
    """Write a time span for people: 42s, 4m10s, 2h05m."""
    if seconds < SECONDS_PER_MINUTE:
        return f"{seconds}s"
    if seconds < SECONDS_PER_HOUR:
        return f"{seconds // SECONDS_PER_MINUTE}m{seconds % SECONDS_PER_MINUTE:02d}s"
    return f"{seconds // SECONDS_PER_HOUR}h{seconds % SECONDS_PER_HOUR // SECONDS_PER_MINUTE:02d}m"


def metrics_status(
    newest: Metrics | None, known: MetricsStatus | None, *, is_last_word: bool = False
) -> MetricsStatus | None:
    """Return the figures: what was said last, and from before what was not said again.

    is_last_word: the run is judged, so that no base model's figures of an earlier judgement belong beside these.
    """
    known = known or MetricsStatus()
    newest = newest or Metrics()
    if is_last_word and newest.evaluation:
        known = known.model_copy(update={"baseline": None})
    merged = MetricsStatus(
        train=_figures(newest.train) or known.train,
        evaluation=_figures(newest.evaluation) or known.evaluation,
        baseline=_figures(newest.baseline) or known.baseline,
    )
    return merged if merged != MetricsStatus() else None


def warnings(progress: Progress | None, known: list[str] | None) -> list[str] | None:
    """Return what the newest pod warns of, and from before what was not said again."""
    said = dict.fromkeys([*(known or ()), *(progress.warnings if progress else ())])
    return [words[:WARNING_CHARACTERS] for words in said][:WARNING_LIMIT] or None


def score(options: TaskOptions, metrics: MetricsStatus | None) -> str | None:
    """Return the main metric for a task's options, tuned against base: 0.912 (base 0.508).

    Of a loss it says that less is better: 1.500 (base 3.250, lower is better).
    """
    name = options.score_metric
    tuned = ((metrics and metrics.evaluation) or {}).get(name)
    base = ((metrics and metrics.baseline) or {}).get(name)
    if tuned is None:
        return None
    notes = [] if base is None else [f"base {base:.3f}"]
    if name in LOWER_IS_BETTER:
        notes.append("lower is better")
    return f"{tuned:.3f} ({', '.join(notes)})" if notes else f"{tuned:.3f}"


def _figures(figures: Mapping[str, float]) -> dict[str, float] | None:
    """Return the figures that JSON can hold, as many as the status takes."""
    kept = {name: _rounded(value) for name, value in sorted(figures.items()) if len(name) <= METRIC_NAME_LIMIT}
    return dict([(name, value) for name, value in kept.items() if value is not None][:METRIC_LIMIT]) or None


def _rounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _whole(value: float | None) -> int | None:
    return max(0, round(value)) if value is not None and math.isfinite(value) else None
