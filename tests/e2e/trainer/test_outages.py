"""Stores that go away while a job works, and come back: a real S3 server that is killed and started again."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from devcluster.binaries import build
from devcluster.s3 import S3, keeps_attributes
from finetune_api.failures import ExitCode, FailureClass
from finetune_api.handoff import MANIFEST_NAME, Stage
from finetune_trainer.artifact import parse_manifest
from finetune_trainer.runtime import patience
from finetune_trainer.storage import s3
from tests.e2e.trainer.tiny_data import reviews
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e


@dataclass
class Server:
    """An S3 server on a folder; its buckets outlive it."""

    access: S3
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Any:
        """A client of the test's own, which waits for the server to start."""
        access = self.access
        return boto3.client(
            "s3",
            endpoint_url=access.endpoint,
            aws_access_key_id=access.access_key,
            aws_secret_access_key=access.secret_key,
            region_name=access.region,
            config=Config(retries={"mode": "standard", "max_attempts": 10}),
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        host = self.access.endpoint.removeprefix("http://")
        metadata = [] if keeps_attributes(self.folder) else ["--sidecar", str(self.folder.with_name("metadata"))]
        options = ["--port", host, "--region", self.access.region, "--quiet", "posix", *metadata, str(self.folder)]
        credentials = {"ROOT_ACCESS_KEY": self.access.access_key, "ROOT_SECRET_KEY": self.access.secret_key}
        self.process = subprocess.Popen([build() / "versitygw", *options], env={**os.environ, **credentials})
        self.client.list_buckets()

    def kill(self) -> None:
        """Let it answer no more."""
        if self.process:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def server(site: Site, tmp_path: Path) -> Iterator[Server]:
    """A server that runs, with a bucket, and the Secret to publish there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        access = S3(f"http://127.0.0.1:{free.getsockname()[1]}", "key", "a-secret-key")
    (tmp_path / "buckets" / access.bucket).mkdir(parents=True)
    (tmp_path / "metadata").mkdir()
    for name, value in access.env.items():
        (site.secrets / "output").mkdir(parents=True, exist_ok=True)
        (site.secrets / "output" / name).write_text(value)
    server = Server(access, tmp_path / "buckets")
    server.start()
    yield server
    server.kill()


def _job(site: Site) -> dict[str, Any]:
    return site.job(
        task="SequenceClassification",
        model={"source": "pvc://models/encoder"},
        dataset={"train": {"source": site.write("train.jsonl", reviews())}, "evaluation": {"fraction": 0.25}},
        evaluation={"baseline": False},
        output={"destination": "s3://finetune/published"},
    )


def _short_pauses() -> None:
    """Ask often, so that the test need not wait."""
    s3.CLIENT_CONFIG = s3.CLIENT_CONFIG.merge(Config(retries={"total_max_attempts": 1}))
    patience.FIRST_PAUSE_SECONDS = patience.LONGEST_PAUSE_SECONDS = 0.5


def test_a_store_that_is_away_when_the_model_is_published_is_waited_for(site: Site, server: Server):
    process = replace(site, patience_seconds=120).start(_job(site), _short_pauses)
    process.wait_for("parameters learn")
    server.kill()
    process.wait_for(f"{server.access.endpoint} does not answer.*waiting for")
    server.start()
    process.succeeded()
    assert process.output.count("parameters learn") == 1
    key = "published/default/job/run/" + MANIFEST_NAME
    content = server.client.get_object(Bucket=server.access.bucket, Key=key)["Body"].read()
    assert process.report.artifact
    assert process.report.artifact.digest == parse_manifest(content, key).digest
    assert process.report.progress
    assert process.report.progress.waiting is None


def test_a_pod_that_waits_for_a_store_ends_at_once_when_it_is_told_to(site: Site, server: Server):
    """Pauses are longer than any grace period."""
    process = replace(site, patience_seconds=3600).start(_job(site), _long_pauses)
    process.wait_for("parameters learn")
    server.kill()
    process.wait_for("waiting for")
    told = time.monotonic()
    process.send(signal.SIGTERM)
    assert process.wait() == ExitCode.PREEMPTED
    assert time.monotonic() - told < 10
    assert process.report.failure
    assert process.report.failure.failure_class is FailureClass.PREEMPTED
    assert process.report.stage is Stage.PUSH
    server.start()
    resumed = site.run(_job(site)).succeeded()
    assert "parameters learn" not in resumed.output


def _long_pauses() -> None:
    _short_pauses()
    patience.FIRST_PAUSE_SECONDS = patience.LONGEST_PAUSE_SECONDS = 1800


def test_a_destination_that_does_not_answer_costs_no_training(site: Site, server: Server):
    server.kill()
    process = site.run(_job(site), _short_pauses)
    assert process.wait() == ExitCode.UNAVAILABLE
    assert process.report.failure
    assert process.report.failure.field == "spec.output.destination"
    assert "parameters learn" not in process.output
