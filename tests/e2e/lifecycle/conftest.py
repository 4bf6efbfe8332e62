"""What the lifecycle tests share: a bucket with small inputs, and a way to follow jobs."""

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from demo.inputs import s3_client
from demo.watch import read_status
from devcluster import Access
from tests.builders import Manifest, finetune_job
from tests.tiny_models import save_tiny_classifier

Status = dict[str, Any]
T = TypeVar("T")
NAMESPACE = "default"
POLL_SECONDS = 0.6
"""Each look is a kubectl of its own, which costs a tenth of a second of a processor that all tests share."""


@dataclass(frozen=True)
class Bench:
    """A cluster with the operator and small inputs in its bucket."""

    cluster: Access

    def apply(self, manifest: Manifest) -> str:
        """Apply a FineTuneJob and return its name."""
        self.cluster.run_kubectl("apply", "-f", "-", input_text=json.dumps(manifest))
        name: str = manifest["metadata"]["name"]
        return name

    def status(self, name: str) -> Status:
        """Return the status of a FineTuneJob."""
        return read_status(self.cluster, name)

    def wait(self, name: str, holds: Callable[[Status], bool], timeout_seconds: float = 120) -> Status:
        """Return the first status for which `holds` is true; fail with the last one seen."""
        return until(lambda: self.status(name), holds, timeout_seconds)

    def objects(self, kind: str, job: str | None = None) -> list[dict[str, Any]]:
        """Return the children of a kind, of one job or of all."""
        selector = "app.kubernetes.io/managed-by=finetune-operator"
        if job:
            selector += f",app.kubernetes.io/instance={job}"
        answer = json.loads(self.cluster.run_kubectl("-n", NAMESPACE, "get", kind, "-l", selector, "-o", "json"))
        items: list[dict[str, Any]] = answer["items"]
        return items

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the Events about a FineTuneJob."""
        selector = f"involvedObject.kind=FineTuneJob,involvedObject.name={name}"
        answer = json.loads(
            self.cluster.run_kubectl("-n", NAMESPACE, "get", "events", "--field-selector", selector, "-o", "json")
        )
        items: list[dict[str, Any]] = answer["items"]
        return items

    def delete(self, name: str) -> None:
        """Delete a FineTuneJob and wait until its pods are gone."""
        self.cluster.run_kubectl("delete", "finetunejob", name, "--ignore-not-found")
        until(lambda: self.objects("pods", name), lambda pods: not pods, 60)


def until(read: Callable[[], T], holds: Callable[[T], bool], timeout_seconds: float) -> T:
    """Return the first value for which `holds` is true; fail with the last one seen."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = read()
        if holds(value):
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_seconds:.0f} s; last seen: {json.dumps(value)[:3000]}")
        time.sleep(POLL_SECONDS)


def phase_is(*phases: str) -> Callable[[Status], bool]:
    """Return a test for a status: its phase is one of `phases`."""
    return lambda status: status.get("phase") in phases


def reason_is(reason: str) -> Callable[[Status], bool]:
    """Return a test for a status: its reason."""
    return lambda status: status.get("reason") == reason


@pytest.fixture(scope="session")
def bench(operated: Access, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The operated cluster, with a tiny base model and a small separable data set in the bucket."""
    fill_bucket(operated, tmp_path_factory.mktemp("tiny"))
    return Bench(operated)


def fill_bucket(cluster: Access, folder: Path) -> None:
    """Put the model and the data into the cluster's bucket; `folder` takes the model."""
    assert cluster.s3 is not None
    client, bucket = s3_client(cluster.s3), cluster.s3.bucket
    save_tiny_classifier(folder)
    for file in folder.iterdir():
        client.upload_file(str(file), bucket, f"models/tiny/{file.name}")
    client.put_object(Bucket=bucket, Key="data/train.csv", Body=rows_as_csv(600).encode())
    client.put_object(Bucket=bucket, Key="data/bad.csv", Body=(rows_as_csv(20) + "a text without a label,\n").encode())


def rows_as_csv(count: int) -> str:
    """Return `count` rows of text and label that even a tiny model can learn."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["text", "label"])
    for index in range(count):
        good = index % 2 == 0
        writer.writerow([f"{'good fine great' if good else 'bad poor awful'} film {index}", "pos" if good else "neg"])
    return out.getvalue()


@pytest.fixture
def job(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Callable[..., Manifest]]:
    """Build manifests named after the test; what was applied under that name is deleted afterwards."""
    names: list[str] = []

    def build(suffix: str = "", **spec: Any) -> Manifest:
        stem = request.node.name.removeprefix("test_").replace("_", "-").replace("[", "-").rstrip("]")[:40].lower()
        names.append(stem.strip("-") + suffix)
        return finetune_job(names[-1], NAMESPACE, **{"compute": {"cpu": "500m", "memory": "2Gi"}, **spec})

    yield build
    for name in names:
        bench.delete(name)
