"""A tracker follows the run, over all its attempts, and never holds it up."""

import hashlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests

import finetune_trainer.tracking
from finetune_api.failures import ExitCode, FailureClass
from finetune_trainer.tracking import Ending, tracking
from tests.builders import merge
from tests.e2e.trainer.tiny_data import reviews
from tests.e2e.trainer.tracking_servers import WRITE_TOKEN, mlflow_server, trackio_server
from tests.e2e.trainer.trainer_process import Site, TrainerProcess, signal_at

pytestmark = pytest.mark.e2e

STEPS = 30
OWN_TAGS = {
    "finetune.dev/namespace": "default",
    "finetune.dev/job-name": "job",
    "finetune.dev/job-uid": "uid",
    "finetune.dev/run": "run",
}


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture(scope="module")
def trackio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Trackio server."""
    with trackio_server(tmp_path_factory.mktemp("trackio")) as address:
        yield address


def _job(site: Site, **tracking: Any) -> dict[str, Any]:
    job = site.job(
        task="SequenceClassification",
        model={"source": "pvc://models/encoder-with-dropout"},
        dataset={
            "train": {"source": site.write("train.jsonl", reviews())},
            "evaluation": {"source": site.write("evaluation.jsonl", reviews()[11:13])},
        },
        training={"epochs": None, "maxSteps": STEPS, "checkpointIntervalSteps": 10, "evaluationIntervalSteps": 25},
    )
    return merge(job, {"tracking": tracking}) if tracking else job


def _give(site: Site, **secret: str) -> None:
    folder = site.secrets / "tracking"
    folder.mkdir(parents=True)
    for key, value in secret.items():
        (folder / key).write_text(value)


def _weights(site: Site) -> str:
    return hashlib.sha256((site.published() / "model.safetensors").read_bytes()).hexdigest()


def _asked(address: str, what: str, **body: Any) -> Any:
    answer = requests.post(f"{address}/api/2.0/mlflow/{what}", json=body, timeout=30)
    answer.raise_for_status()
    return answer.json()


def _mlflow_runs(address: str, experiment: str) -> list[dict[str, Any]]:
    found = requests.get(
        f"{address}/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": experiment}, timeout=30
    ).json()
    return _asked(address, "runs/search", experiment_ids=[found["experiment"]["experiment_id"]]).get("runs", [])


def _history(address: str, run: dict[str, Any], metric: str) -> dict[int, float]:
    answer = requests.get(
        f"{address}/api/2.0/mlflow/metrics/get-history",
        params={"run_id": run["info"]["run_id"], "metric_key": metric},
        timeout=30,
    ).json()
    return {int(entry["step"]): entry["value"] for entry in answer["metrics"]}


def _interrupted(site: Site, job: dict[str, Any]) -> TrainerProcess:
    """Train with a pod that is told to stop, another that is killed, and one that comes to the end."""
    stopped = site.run(job, partial(_patient, r"train +7/", signal.SIGTERM))
    assert stopped.wait() == ExitCode.PREEMPTED, stopped.output
    assert site.run(job, partial(_patient, "checkpoint at step 20", signal.SIGKILL)).wait() == -signal.SIGKILL
    return site.run(job, _patient).succeeded()


def _patient(pattern: str = "", number: signal.Signals = signal.SIGTERM) -> None:
    """Wait for the tracker's server as long as a busy machine may need; be interrupted where a pattern is given."""
    tracking.PATIENCE_SECONDS.update(dict.fromkeys(Ending, 100.0))
    if pattern:
        signal_at(pattern, number)


def test_a_run_of_three_pods_is_one_run_in_mlflow(site: Site, mlflow: str, volumes: Path, tmp_path: Path):
    job = _job(site, type="MLflow", endpoint=mlflow, project="sentiment", tags={"team": "nlp"})
    resumed = _interrupted(site, job)
    (run,) = _mlflow_runs(mlflow, "sentiment")

    assert run["info"]["status"] == "FINISHED"
    assert run["info"]["run_name"] == "job-run"
    assert resumed.report.progress
    assert resumed.report.progress.tracking
    assert resumed.report.progress.tracking.to_wire() == {
        "type": "MLflow",
        "url": f"{mlflow}/#/experiments/{run['info']['experiment_id']}/runs/{run['info']['run_id']}",
    }
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags.items() >= {**OWN_TAGS, "team": "nlp"}.items()
    assert "kubectl get ftj --namespace default job" in tags["mlflow.note.content"]
    assert tags["finetune.dev/artifact"].endswith("/default/job/run")
    parameters = {parameter["key"]: parameter["value"] for parameter in run["data"]["params"]}
    assert (parameters["learning_rate"], parameters["max_steps"]) == ("0.001", str(STEPS))

    losses = json.loads((site.published() / "evaluation.json").read_text())["training"]["lossHistory"]
    assert _history(mlflow, run, "loss") == dict(losses)
    assert set(_history(mlflow, run, "eval_accuracy")) == {25, STEPS}
    assert set(_history(mlflow, run, "eval_base_accuracy")) == {STEPS}

    untracked = Site(volumes, tmp_path / "untracked")
    untracked.run(_job(untracked)).succeeded()
    assert _weights(untracked) == _weights(site)


def test_a_run_of_three_pods_is_one_run_in_trackio(site: Site, trackio: str):
    _give(site, TRACKIO_WRITE_TOKEN=WRITE_TOKEN)
    resumed = _interrupted(site, _job(site, type="Trackio", endpoint=trackio))
    assert resumed.report.progress
    assert resumed.report.progress.tracking
    assert resumed.report.progress.tracking.url == f"{trackio}/?project=default-job"

    def asked(what: str, **body: Any) -> Any:
        return requests.post(f"{trackio}/api/{what}", json=body, timeout=30).json()["data"]

    (run,) = asked("get_runs_for_project", project="default-job")
    assert run["name"] == "job-run-uid"
    logs = asked("get_logs", project="default-job", run=run["name"])
    losses = json.loads((site.published() / "evaluation.json").read_text())["training"]["lossHistory"]
    assert {entry["train/global_step"]: entry["train/loss"] for entry in logs if "train/loss" in entry} == dict(losses)


def test_a_run_of_two_pods_is_one_run_in_wandb(site: Site):
    """Offline, as there is no server of Weights & Biases to be had: what is kept to be sent has the run's own id."""
    _give(site, WANDB_API_KEY="k" * 40)
    job = _job(site, type="WandB", project="sentiment", tags={"team": "nlp"})
    stopped = site.run(job, partial(_offline, site.folder, r"train +20/"))
    assert stopped.wait() == ExitCode.PREEMPTED, stopped.output
    resumed = site.run(job, partial(_offline, site.folder, None)).succeeded()
    kept = sorted(path.name for path in (site.folder / "wandb").glob("offline-run-*"))
    assert [name.split("-", 3)[3] for name in kept] == ["uid-run", "uid-run"]
    assert [attempt.report.progress and attempt.report.progress.warnings for attempt in (stopped, resumed)] == [[], []]
    assert "k" * 40 not in stopped.output + resumed.output


def _offline(scratch: Path, stop_at: str | None) -> None:
    os.environ |= {"WANDB_MODE": "offline", "TMPDIR": str(scratch)}
    if stop_at:
        signal_at(stop_at, signal.SIGTERM)


def test_a_tracker_that_says_nothing_costs_a_moment_at_the_end_and_is_told(site: Site):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        ended = site.run(_job(site, type="MLflow", endpoint=address), _impatient).succeeded()
    assert ended.report.artifact
    assert ended.report.progress
    assert ended.report.progress.warnings == [
        f"spec.tracking: MLflow at {address} did not take the run's last figures within 1 s; they are left out"
    ]


def _impatient() -> None:
    tracking.PATIENCE_SECONDS[Ending.FINISHED] = 1.0


def test_a_client_that_the_image_lacks_is_named_before_anything_is_done(site: Site):
    refused = site.run(_job(site, type="WandB"), _without_wandb)
    assert refused.wait() == ExitCode.BAD_SPEC
    assert refused.report.failure
    assert refused.report.failure.failure_class is FailureClass.BAD_SPEC
    assert refused.report.failure.message.startswith("spec.tracking.type: WandB needs the Python package wandb, which")
    assert not (site.run_folder() / "stages/Data.json").exists()


def _without_wandb() -> None:
    finetune_trainer.tracking.find_spec = lambda name: None if name == "wandb" else find_spec(name)  # type: ignore[attr-defined]
