"""examples/compare.py: the table of quality and time of tuned models."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

SCRIPT = Path(__file__).parents[2] / "examples/compare.py"
BASE = {"layer.0": torch.zeros(2), "layer.1": torch.ones(2)}


def _publish(folder: Path, weights: dict[str, Any], **metrics: float) -> str:
    folder.mkdir()
    report = {
        "job": {"name": folder.name},
        "tuning": {"method": "Freeze"},
        "training": {
            "trainableParameters": 2000,
            "totalParameters": 4000,
            "steps": 30,
            "metrics": {"loss": 0.5, "runtime_seconds": 12.0},
        },
        "evaluation": {"metrics": metrics},
    }
    (folder / "evaluation.json").write_text(json.dumps(report))
    save_file({f"bert.{name}": tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    return str(folder)


def test_runs_stand_side_by_side_with_what_stayed_as_it_was(tmp_path: Path):
    (tmp_path / "base").mkdir()
    save_file(BASE, tmp_path / "base" / "model.safetensors")
    frozen = _publish(tmp_path / "frozen", BASE | {"layer.1": torch.ones(2) + 1e-6}, f1_micro=0.5, loss=0.25)
    full = _publish(tmp_path / "full", {name: tensor + 1 for name, tensor in BASE.items()}, f1_micro=0.75)
    command = [sys.executable, str(SCRIPT), "--base", str(tmp_path / "base"), frozen, full]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert table.splitlines() == [
        "| run | frozen | full |",
        "| --- | --- | --- |",
        "| tuning | Freeze | Freeze |",
        "| parameters that learn | 2,000 of 4,000 | 2,000 of 4,000 |",
        "| training | 12.0 s | 12.0 s |",
        "| steps per second | 2.50 | 2.50 |",
        "| f1_micro | 0.500 | 0.750 |",
        "| weights as in the base model | 1 of 2 | 0 of 2 |",
    ]
