"""What is served: exactly the published files, from a volume too, and the old ones until the new ones are ready."""

from collections.abc import Callable, Iterator

import pytest

from demo.ask import forwarded, post_json, service_of
from tests.builders import Manifest
from tests.e2e.lifecycle.conftest import Bench, Status, phase_is, until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

QUICK = {"training": {"epochs": 2, "batchSize": 16, "learningRate": 2e-3}}
SERVED = {"serving": {"enabled": True, "cpu": "100m", "memory": "1Gi"}}


@pytest.fixture
def store(bench: Bench) -> Iterator[str]:
    """A claim for published models, as a user would make it."""
    bench.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "store", "namespace": "default"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    yield "store"
    bench.cluster.run_kubectl("delete", "pvc", "store", "--wait=false")


def answer(bench: Bench, status: Status, text: str) -> str:
    with forwarded(bench.cluster, f"service/{service_of(status)}") as url:
        label: str = post_json(f"{url}/v1/classify", {"input": [text]})["results"][0]["label"]
    return label


def test_new_run_takes_over_from_the_served_one(bench: Bench, job: Callable[..., Manifest], store: str) -> None:
    manifest = job(**QUICK, **SERVED, output={"destination": f"pvc://{store}/models", "secretRef": None})
    name = bench.apply(manifest)
    first = bench.wait(name, phase_is("Ready", "Failed"), 180)
    assert first["phase"] == "Ready", first
    assert answer(bench, first, "good fine great film") == "pos"

    manifest["spec"]["training"]["seed"] = 7
    bench.apply(manifest)
    served_while_training = set()

    def done(status: Status) -> bool:
        if status.get("phase") in {"Pending", "Training", "Deploying"} and "serving" in status:
            served_while_training.add((status["serving"]["run"], status["serving"]["readyReplicas"]))
        return status["run"]["id"] != first["run"]["id"] and status["phase"] in {"Ready", "Failed"}

    second = bench.wait(name, done, 180)
    assert second["phase"] == "Ready", second
    assert served_while_training == {(first["run"]["id"], 1)}
    assert second["serving"]["digest"] == second["artifact"]["digest"] != first["artifact"]["digest"]
    until(lambda: bench.objects("deployments", name), lambda left: len(left) == 1, 60)
    assert answer(bench, second, "bad poor awful film") == "neg"

    bench.cluster.run_kubectl("delete", "finetunejob", name)
    published = finetune_from(job, second["artifact"]["uri"])
    again = bench.wait(bench.apply(published), phase_is("Succeeded", "Failed"), 120)
    assert again["phase"] == "Succeeded", again
    assert again["metrics"]["baseline"]["accuracy"] > 0.9
    assert "The run computes on the CPU: the GPUs of this cluster are pretended." in again["warnings"]


def finetune_from(job: Callable[..., Manifest], uri: str) -> Manifest:
    """A job whose base model is what another one published: models from volumes, artifacts outlive their jobs.

    It asks for a GPU, which the embedded cluster only pretends to have.
    """
    return job("-on", **QUICK, compute={"gpus": 1}, model={"source": uri, "secretRef": None})
