"""What Prometheus is told of a training pod: read when it asks from the board, the GPUs and the workspace."""

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from finetune_api.handoff import Metrics, Stage
from finetune_trainer.runtime.progress import OWN_FIGURES, ProgressBoard

PREFIX = "finetune_trainer_"
GRADIENT_NORM = "grad_norm"
PERCENT = 100
HELD_OUT_METRICS = 64
"""The most that the status takes, of each model."""

Told = Iterable[tuple[str, tuple[str, ...], float | None]]
"""Name without its beginning, labels, value; None is not told."""


@dataclass(frozen=True)
class Family:
    """One metric, and how many series it has at most for one training pod."""

    help: str
    labels: tuple[str, ...] = ()
    series: int = 1
    type: str = "gauge"


FAMILIES = {
    "step": Family("Optimizer steps done."),
    "steps": Family("Optimizer steps in all."),
    "epoch": Family("Passes over the data done."),
    "loss": Family("Training loss, mean of the last reporting interval."),
    "learning_rate": Family("Learning rate."),
    "gradient_norm": Family("Norm of the gradient before it is clipped."),
    "samples_per_second": Family("Rows learnt from per second, in the last reporting interval."),
    "tokens_per_second": Family("Tokens learnt from per second, in the last reporting interval."),
    "tokens": Family("Tokens learnt from, by the run's earlier pods too.", type="counter"),
    "eta_seconds": Family("Estimated seconds until training ends."),
    "last_step_timestamp_seconds": Family("When the newest optimizer step ended."),
    "resumed_from_step": Family("Step of the checkpoint that this pod resumed from."),
    "trainable_parameters": Family("Count of the parameters that learn."),
    "figure": Family(
        "What the task's trainer tells beside the loss: rewards, margins, divergence, accuracies.",
        ("figure",),
        series=OWN_FIGURES,
    ),
    "metric": Family(
        "Figures on the held-out rows, of the tuned and of the base model.",
        ("model", "metric"),
        series=2 * HELD_OUT_METRICS,
    ),
    "stage": Family("1 for the stage that the pod is in, 0 for the others.", ("stage",), series=len(Stage)),
    "gpu_memory_used_bytes": Family("Memory of the GPU that is taken, by whomever.", ("gpu",)),
    "gpu_memory_total_bytes": Family("Memory of the GPU.", ("gpu",)),
    "gpu_utilization_ratio": Family("Share of the last moments in which the GPU worked.", ("gpu",)),
    "workspace_used_bytes": Family("Space of the workspace's volume that is taken."),
    "workspace_size_bytes": Family("Space of the workspace's volume."),
}


class TrainerMetrics(Collector):
    """Collects the figures of one training pod."""

    def __init__(self, board: ProgressBoard, workspace: Path) -> None:
        self._board = board
        self._workspace = workspace

    def describe(self) -> Iterable[Metric]:
        """Return nothing: a registry would ask the GPUs to learn the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the families that have something to tell."""
        families = {
            name: (CounterMetricFamily if family.type == "counter" else GaugeMetricFamily)(
                PREFIX + name, family.help, labels=family.labels
            )
            for name, family in FAMILIES.items()
        }
        for told in (_progress(self._board), _figures(self._board.progress.metrics), _gpus(), _volume(self._workspace)):
            for name, labels, value in told:
                if value is not None:
                    families[name].add_metric(labels, value)
        return (family for family in families.values() if family.samples)


def _progress(board: ProgressBoard) -> Told:
    progress = board.progress
    for name in ("step", "epoch", "loss", "learning_rate", "eta_seconds", "samples_per_second", "tokens_per_second"):
        yield name, (), getattr(progress, name)
    yield "steps", (), progress.total_steps
    yield "tokens", (), board.tokens_seen
    yield "last_step_timestamp_seconds", (), board.last_step_timestamp
    yield "resumed_from_step", (), progress.resumed_from_step
    yield "trainable_parameters", (), progress.trainable_parameters
    for stage in Stage:
        yield "stage", (stage.value,), float(stage is progress.stage)


def _figures(metrics: Metrics) -> Told:
    for name, value in list(metrics.train.items())[: OWN_FIGURES + 1]:
        yield ("gradient_norm", (), value) if name == GRADIENT_NORM else ("figure", (name,), value)
    for model, figures in (("tuned", metrics.evaluation), ("base", metrics.baseline)):
        for name, value in list(figures.items())[:HELD_OUT_METRICS]:
            yield "metric", (model, name), value


def _gpus() -> Told:
    """Tell of the GPUs that the trainer uses already: whoever scrapes is not to be the first."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_initialized():
        return ()
    told: list[tuple[str, tuple[str, ...], float | None]] = []
    # A GPU that is broken, or a driver without NVML, leaves out what it does not tell.
    for index in range(torch.cuda.device_count()):
        with suppress(Exception):
            free, total = torch.cuda.mem_get_info(index)
            told.append(("gpu_memory_used_bytes", (str(index),), total - free))
            told.append(("gpu_memory_total_bytes", (str(index),), total))
            told.append(("gpu_utilization_ratio", (str(index),), torch.cuda.utilization(index) / PERCENT))
    return told


def _volume(workspace: Path) -> Told:
    try:
        usage = shutil.disk_usage(workspace)
    except OSError:
        return
    yield "workspace_used_bytes", (), usage.used
    yield "workspace_size_bytes", (), usage.total
