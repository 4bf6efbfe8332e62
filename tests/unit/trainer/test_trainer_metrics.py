"""What Prometheus is told of a training pod."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from finetune_api.handoff import Stage
from finetune_trainer.runtime.metrics import FAMILIES, PREFIX, TrainerMetrics
from finetune_trainer.runtime.progress import ProgressBoard

GIB = 1 << 30


def told(board: ProgressBoard, workspace: Path) -> dict[str, float]:
    """Return the samples as `name{label values}`, without the beginning of their names."""
    registry = CollectorRegistry()
    registry.register(TrainerMetrics(board, workspace))
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {f"{s.name.removeprefix(PREFIX)}{{{','.join(s.labels.values())}}}": s.value for s in samples}


def test_what_is_not_known_yet_is_not_told(tmp_path: Path):
    found = told(ProgressBoard("run"), tmp_path)
    assert found.pop("workspace_used_bytes{}") <= found.pop("workspace_size_bytes{}")
    stages = {f"stage{{{stage}}}": float(stage is Stage.DATA) for stage in Stage}
    assert found == {"step{}": 0, "tokens_total{}": 0, **stages}


def test_training_tells_its_figures(tmp_path: Path):
    board = ProgressBoard("run")
    board.enter(Stage.TRAIN)
    board.step_done(57, 1.5, tokens_seen=12_000)
    board.update(total_steps=200, loss=0.3, learning_rate=1e-5, eta_seconds=60.0, resumed_from_step=50)
    board.add_metrics(train={"grad_norm": 0.7, "rewards_margins": 1.25}, baseline={"accuracy": 0.5})
    found = told(board, tmp_path)
    assert time.time() - found["last_step_timestamp_seconds{}"] < 60
    expected = {
        "step{}": 57,
        "steps{}": 200,
        "epoch{}": 1.5,
        "loss{}": 0.3,
        "learning_rate{}": 1e-5,
        "eta_seconds{}": 60,
        "resumed_from_step{}": 50,
        "gradient_norm{}": 0.7,
        "figure{rewards_margins}": 1.25,
        "metric{base,accuracy}": 0.5,
        "tokens_total{}": 12_000,
        "stage{Train}": 1,
        "stage{Data}": 0,
    }
    assert found.items() >= expected.items()


def test_number_of_figures_is_bounded(tmp_path: Path):
    board = ProgressBoard("run")
    many = {f"figure_{number}": 1.0 for number in range(500)}
    board.add_metrics(train=many, evaluation=many, baseline=many)
    found = told(board, tmp_path)
    for name in ("figure", "metric"):
        assert sum(key.startswith(f"{name}{{") for key in found) <= FAMILIES[name].series + 1


@pytest.mark.parametrize(
    ("utilization", "expected"),
    [
        (lambda _: 87, {"gpu_memory_used_bytes", "gpu_memory_total_bytes", "gpu_utilization_ratio"}),
        (None, {"gpu_memory_used_bytes", "gpu_memory_total_bytes"}),
    ],
    ids=["with NVML", "without NVML"],
)
def test_gpu_is_told_as_far_as_it_can_be_read(
    utilization: object, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        mem_get_info=lambda _: (20 * GIB, 80 * GIB),
        utilization=utilization,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    found = told(ProgressBoard("run"), tmp_path)
    assert {name for name in found if name.startswith("gpu")} == {
        f"{name}{{{gpu}}}" for name in expected for gpu in (0, 1)
    }
    assert found["gpu_memory_used_bytes{0}"] == 60 * GIB
    assert found.get("gpu_utilization_ratio{0}", 0.87) == 0.87


def test_gpu_that_nobody_uses_yet_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False)))
    assert not [name for name in told(ProgressBoard("run"), tmp_path) if name.startswith("gpu")]
