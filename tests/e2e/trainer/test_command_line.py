"""The command as the pod runs it: a fresh interpreter, progress over HTTP, SIGTERM."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from finetune_api.failures import ExitCode
from finetune_api.handoff import Progress, Stage
from tests.e2e.trainer.tiny_data import descriptions
from tests.e2e.trainer.trainer_process import Site
from tests.ports import free_port

pytestmark = pytest.mark.e2e


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def _wait_for_step(process: subprocess.Popen[str], port: int) -> Progress:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            progress = Progress.model_validate_json(_get(port, "/progress"))
        except OSError:
            time.sleep(0.1)
            continue
        if progress.loss is not None:
            return progress
        time.sleep(0.05)
    raise AssertionError("no progress within two minutes")


def test_progress_is_served_and_sigterm_saves(site: Site, tmp_path: Path):
    rows = descriptions()
    job = site.job(
        task="SFT",
        model={"source": "pvc://models/decoder"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("evaluation.jsonl", rows[:2])},
        },
        training={"epochs": 1000},
        evaluation={"baseline": False},
    )
    (tmp_path / "job.json").write_text(json.dumps(job))
    port, report = free_port(), tmp_path / "report.json"
    command = [sys.executable, "-m", "finetune_trainer", "run", tmp_path / "job.json", "--workspace", site.workspace]
    options = ["--volumes", site.volumes, "--port", str(port), "--termination-log", report]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": "/nonexistent"}
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment)
    progress = _wait_for_step(process, port)
    assert progress.stage is Stage.TRAIN
    assert progress.run_id == "run"
    assert progress.total_steps == 3000
    assert progress.eta_seconds
    metrics = _get(port, "/metrics")
    assert re.search(r"^finetune_trainer_step \d+\.0$", metrics, re.MULTILINE)
    assert 'finetune_trainer_stage{stage="Train"} 1.0' in metrics
    assert "finetune_trainer_trainable_parameters" in metrics
    told = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert told["finetune_trainer_steps"] == "3000.0"
    assert float(told["finetune_trainer_tokens_total"]) > 0
    assert 0 <= time.time() - float(told["finetune_trainer_last_step_timestamp_seconds"]) < 60
    assert float(told["finetune_trainer_gradient_norm"]) > 0
    used, size = (float(told[f"finetune_trainer_workspace_{what}_bytes"]) for what in ("used", "size"))
    assert 0 < used < size

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.PREEMPTED
    assert "SIGTERM: saving a checkpoint" in output
    assert json.loads(report.read_text())["failure"]["failureClass"] == "Preempted"
    assert list((site.run_folder() / "checkpoints").glob("checkpoint-*/COMPLETE"))


def test_without_a_command_the_help_is_shown():
    done = subprocess.run(
        [sys.executable, "-m", "finetune_trainer", "--help"], capture_output=True, text=True, check=True
    )
    assert all(command in done.stdout for command in ("run", "fetch", "serve"))
