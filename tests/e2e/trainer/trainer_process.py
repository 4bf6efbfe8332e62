"""Runs of the trainer's command line, each in a process of its own that is forked from one that has imported torch."""

import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from finetune_api.handoff import TerminationReport
from finetune_trainer.__main__ import main
from tests.builders import merge

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["transformers.trainer", "trl.trainer.sft_trainer", "peft", "sklearn.metrics", "mlflow"])
PATIENCE_SECONDS = 120

Fault = Callable[[], None]


@dataclass(frozen=True)
class Site:
    """Folders that stand for a pod's mounts: `volumes` holds the claims models, data and out."""

    volumes: Path
    folder: Path
    patience_seconds: float = 0

    @property
    def workspace(self) -> Path:
        """The workspace volume of one job."""
        return self.folder / "workspace"

    @property
    def secrets(self) -> Path:
        """The mounted Secrets."""
        return self.folder / "secrets"

    @property
    def code(self) -> Path:
        """The mounted code of the job's own."""
        return self.folder / "code"

    def published(self, run_id: str = "run") -> Path:
        """Where a job's `destination` puts a run."""
        return self.volumes / "out" / self.folder.name / "default/job" / run_id

    def run_folder(self, run_id: str = "run") -> Path:
        """Where a run works on the workspace volume."""
        return self.workspace / "uid" / run_id

    def write(self, name: str, rows: list[dict[str, Any]]) -> str:
        """Write a JSONL file to the claim data; return its URI."""
        (self.volumes / "data" / self.folder.name).mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.volumes / "data" / self.folder.name / name).write_text(text)
        return f"pvc://data/{self.folder.name}/{name}"

    def job(self, **changes: Any) -> dict[str, Any]:
        """Return a job file's content: few steps on a tiny model, with `changes` merged in."""
        base = {
            "namespace": "default",
            "name": "job",
            "uid": "uid",
            "runId": "run",
            "training": {"epochs": 1, "batchSize": 4, "learningRate": 1e-3, "loggingIntervalSteps": 1},
            "output": {"destination": f"pvc://out/{self.folder.name}"},
        }
        return merge(base, changes)

    def start(self, job: dict[str, Any], fault: Fault | None = None, port: int = 0) -> "TrainerProcess":
        """Start the trainer on a job; `fault` is called in its process first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        job_file = self.folder / "job.json"
        job_file.write_text(json.dumps(job))
        args = ["run", job_file, "--workspace", self.workspace, "--volumes", self.volumes]
        args += ["--secrets", self.secrets, "--code", self.code, "--patience-seconds", self.patience_seconds]
        report = self.folder / "termination-log"
        report.unlink(missing_ok=True)
        log = self.folder / f"log-{time.monotonic_ns()}"
        return TrainerProcess(
            [*map(str, args), "--port", str(port), "--termination-log", str(report)], log, report, fault
        )

    def interrupt(self, job: dict[str, Any], pattern: str, number: signal.Signals) -> "TrainerProcess":
        """Run the trainer on a job until it prints a line that matches; it gets the signal right there."""
        return self.run(job, partial(signal_at, pattern, number))

    def run(self, job: dict[str, Any], fault: Fault | None = None) -> "TrainerProcess":
        """Run the trainer on a job to its end."""
        process = self.start(job, fault)
        process.wait()
        return process


class TrainerProcess:
    """One attempt."""

    def __init__(self, args: list[str], log: Path, report: Path, fault: Fault | None) -> None:
        self._log = log
        self._report = report
        self._process = FORKS.Process(target=_main, args=(args, log, fault))
        self._process.start()

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def report(self) -> TerminationReport:
        """Its termination report; at most 4096 bytes."""
        content = self._report.read_bytes()
        assert len(content) <= 4096
        return TerminationReport.model_validate_json(content)

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        self._process.join(PATIENCE_SECONDS)
        assert self._process.exitcode is not None, f"still running: {self.output}"
        return self._process.exitcode

    def succeeded(self) -> "TrainerProcess":
        """Check that it ended well."""
        assert self.wait() == 0, self.output
        return self

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid or 0, number)

    def wait_for(self, pattern: str) -> None:
        """Wait until its output matches."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not re.search(pattern, self.output):
            assert self._process.is_alive(), f"ended before {pattern!r}: {self.output}"
            assert time.monotonic() < deadline, f"no {pattern!r}: {self.output}"
            time.sleep(0.01)


def signal_at(pattern: str, number: signal.Signals) -> None:
    """Let this process signal itself once, right after it has printed a line that matches."""
    write, done = sys.stdout.write, threading.Event()

    def watched(text: str) -> int:
        written = write(text)
        sys.stdout.flush()
        if not done.is_set() and re.search(pattern, text):
            done.set()
            os.kill(os.getpid(), number)
        return written

    sys.stdout.write = watched  # type: ignore[method-assign]


def _main(args: list[str], log: Path, fault: Fault | None) -> None:
    with log.open("wb", buffering=0) as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    if fault:
        fault()
    sys.argv = ["finetune_trainer", *args]
    sys.exit(main())
