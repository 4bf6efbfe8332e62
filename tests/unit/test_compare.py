"""examples/compare.py: the table of quality and time of finished jobs."""

import runpy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

COMPARE = runpy.run_path(str(Path(__file__).parents[2] / "examples/compare.py"))


def _job(name: str, seconds: float, **metrics: float) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"tuning": {"method": "Freeze"}},
        "status": {
            "progress": {"step": 30, "trainableParameters": 2000},
            "metrics": {"train": {"loss": 0.5, "runtime_seconds": seconds}, "evaluation": metrics},
        },
    }


def test_jobs_stand_side_by_side_with_the_figures_that_all_have():
    jobs = [_job("frozen", 12.0, f1_micro=0.5, loss=0.25), _job("full", 30.0, f1_micro=0.75)]
    assert COMPARE["table"]([COMPARE["figures"](job) for job in jobs]) == [
        "| job | frozen | full |",
        "| --- | --- | --- |",
        "| tuning | Freeze | Freeze |",
        "| parameters that learn | 2,000 | 2,000 |",
        "| training | 12.0 s | 30.0 s |",
        "| steps per second | 2.50 | 1.00 |",
        "| f1_micro | 0.500 | 0.750 |",
    ]


def test_a_weight_counts_as_unchanged_only_bit_for_bit(tmp_path: Path):
    base = {"layer.0": torch.zeros(2), "layer.1": torch.ones(2)}
    tuned = {"bert.layer.0": torch.zeros(2), "bert.layer.1": torch.ones(2) + 1e-6, "classifier": torch.ones(1)}
    save_file(base, tmp_path / "base.safetensors")
    save_file(tuned, tmp_path / "tuned.safetensors")
    assert COMPARE["unchanged"](tmp_path / "base.safetensors", tmp_path / "tuned.safetensors") == (1, 2)
