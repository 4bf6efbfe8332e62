"""What a trainer says about a run."""

from typing import Any

from finetune_api.failures import FailureClass
from finetune_api.handoff import Artifact, Failure, Metrics, Progress, Stage, TerminationReport

METRICS = Metrics(train={"loss": 0.2}, evaluation={"accuracy": 0.9}, baseline={"accuracy": 0.5})


def success(
    status: dict[str, Any], destination: str = "s3://finetune/published", digest: str = "a"
) -> TerminationReport:
    """Return the last word of the present run: published."""
    run_id = status["run"]["id"]
    artifact = Artifact(uri=f"{destination}/{run_id}", digest=f"sha256:{digest * 64}", size_bytes=1000)
    return TerminationReport(run_id=run_id, stage=Stage.PUSH, artifact=artifact, metrics=METRICS)


def failure(status: dict[str, Any], kind: FailureClass, message: str) -> TerminationReport:
    """Return the last word of the present run: failed."""
    return TerminationReport(run_id=status["run"]["id"], failure=Failure(failure_class=kind, message=message))


def progress(status: dict[str, Any], stage: Stage, step: int = 0, **fields: Any) -> Progress:
    """Return the progress of the present run."""
    return Progress(run_id=status["run"]["id"], stage=stage, step=step, total_steps=200, **fields)
