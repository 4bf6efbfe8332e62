"""Flux's own controllers take a job from a bucket: an upload trains, a revert goes back, a removal prunes.

source-controller and kustomize-controller run beside the node; the operator, its pods and the training are real.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from demo.inputs import s3_client
from devcluster import S3
from tests.builders import Manifest, finetune_job
from tests.e2e.lifecycle.conftest import Bench, until
from tests.ecosystem.controllers import Pinned, running

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.ecosystem]

# Each has a go.mod of its own: they need different versions of what they share.
CONTROLLERS = {
    name: Pinned(name.replace("-", "_"), {name: f"github.com/fluxcd/{name}"})
    for name in ("source-controller", "kustomize-controller")
}
REPOSITORY = "repository"
FLUX = "flux-system"
NAMESPACE = "films"
JOB = "genres"
ALL = ("--show-managed-fields", "--ignore-not-found")
ARTIFACTS = "127.0.0.1:18393"
SHOW = bool(os.environ.get("SHOW_STEPS"))
"""Print what kubectl says at each step, as docs/gitops.md has it."""


def source(s3: S3) -> list[Manifest]:
    """Return the Bucket that stands for a Git repository, with its credentials."""
    keys = {"accesskey": s3.access_key, "secretkey": s3.secret_key}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3", "namespace": FLUX}, "stringData": keys},
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "Bucket",
            "metadata": {"name": NAMESPACE, "namespace": FLUX},
            "spec": {
                "interval": "3s",
                "provider": "generic",
                "bucketName": REPOSITORY,
                "endpoint": s3.endpoint.removeprefix("http://"),
                "insecure": True,
                "region": s3.region,
                "secretRef": {"name": "s3"},
            },
        },
    ]


KUSTOMIZATION: Manifest = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": NAMESPACE, "namespace": FLUX},
    "spec": {
        "interval": "5s",
        "path": "./clusters/production",
        "prune": True,
        "wait": True,
        "timeout": "5m",
        "sourceRef": {"kind": "Bucket", "name": NAMESPACE},
    },
}


@dataclass(frozen=True)
class Look:
    """What Flux and the operator say at one moment. Flux is asked first: what it waits for must be so already."""

    kustomization: Manifest
    job: Manifest

    @property
    def synced(self) -> str | None:
        """The revision that Flux calls ready; None while it calls none so."""
        (ready,) = [one for one in self.conditions if one["type"] == "Ready"] or [{"status": "Unknown"}]
        return self.kustomization["status"].get("lastAppliedRevision") if ready["status"] == "True" else None

    @property
    def conditions(self) -> list[Manifest]:
        return list(self.kustomization.get("status", {}).get("conditions", ()))

    @property
    def status(self) -> Manifest:
        return dict(self.job.get("status", {}))

    @property
    def served(self) -> str | None:
        """The run that is served, once it is the one that the spec asks for."""
        return self.status["serving"]["run"] if self.status.get("phase") == "Ready" else None


class Repository:
    """The bucket, and what comes of it on the cluster."""

    def __init__(self, bench: Bench) -> None:
        assert bench.cluster.s3 is not None
        self._bench = bench
        self._store = s3_client(bench.cluster.s3)
        self._store.create_bucket(Bucket=REPOSITORY)
        self.push("namespace", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def push(self, name: str, manifest: Manifest) -> None:
        """Upload a file, as a commit would bring it."""
        self._store.put_object(Bucket=REPOSITORY, Key=_key(name), Body=json.dumps(manifest, indent=2).encode())

    def remove(self, name: str) -> None:
        self._store.delete_object(Bucket=REPOSITORY, Key=_key(name))

    def revision(self) -> str | None:
        """Return the revision that source-controller has fetched."""
        bucket = self._get(f"bucket/{NAMESPACE}", FLUX)
        return bucket.get("status", {}).get("artifact", {}).get("revision")

    def look(self) -> Look:
        return Look(self._get(f"kustomization/{NAMESPACE}", FLUX), self._get(f"finetunejob/{JOB}", NAMESPACE))

    def changed(self, before: str | None) -> str:
        """Return the revision that comes after one."""
        found = until(self.revision, lambda revision: revision not in (None, before), 60)
        assert found is not None
        return found

    def follow(self, revision: str) -> list[Look]:
        """Look until Flux calls the revision ready; return what was seen, of each moment that differs from the last."""
        seen: list[Look] = []
        deadline = time.monotonic() + 240
        while not seen or seen[-1].synced != revision:
            assert time.monotonic() < deadline, seen[-1]
            look = self.look()
            if not seen or _summary(look) != _summary(seen[-1]):
                seen.append(look)
                self.show(look)
            time.sleep(0.5)
        return seen

    def show(self, look: Look) -> None:
        if SHOW:
            wide = self._bench.cluster.run_kubectl("-n", NAMESPACE, "get", "finetunejob", "-o", "wide")
            flux = self._bench.cluster.run_kubectl("-n", FLUX, "get", "kustomization")
            print(time.strftime("%X"), _summary(look), flux, wide, sep="\n", flush=True)

    def _get(self, name: str, namespace: str) -> Manifest:
        """Return an object, empty when there is none."""
        said = self._bench.cluster.run_kubectl("-n", namespace, "get", name, "-o", "json", *ALL)
        found: Manifest = json.loads(said or "{}")
        return found


def _key(name: str) -> str:
    return f"clusters/production/{name}.yaml"


def _summary(look: Look) -> tuple[Any, ...]:
    ready = [(one["status"], one["reason"]) for one in look.conditions if one["type"] == "Ready"]
    status = look.status
    return ready, status.get("phase"), status.get("run", {}).get("id"), status.get("serving", {}).get("run")


@pytest.fixture
def repository(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Flux with a Bucket and a Kustomization of it, in which there is a namespace so far."""
    cluster, logs = bench.cluster, tmp_path_factory.mktemp("flux")
    assert cluster.s3 is not None
    for name, controller in CONTROLLERS.items():
        controller.install_crds(cluster, f"github.com/fluxcd/{name}", "config/crd/bases")
    for name in (FLUX, NAMESPACE):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    cluster.create_s3_secret(NAMESPACE)
    repository = Repository(bench)
    storage = ["--storage-path", str(logs), "--storage-addr", ARTIFACTS, "--storage-adv-addr", ARTIFACTS]
    options = {"source-controller": storage, "kustomize-controller": []}
    apart = ["--metrics-addr=0", "--health-addr=0", "--enable-leader-election=false"]
    with ExitStack() as running_ones:
        for name, controller in CONTROLLERS.items():
            program, arguments = controller.program(name), [*options[name], *apart]
            started = running(cluster, program, logs / f"{name}.log", *arguments, RUNTIME_NAMESPACE=FLUX)
            running_ones.enter_context(started)
        cluster.apply(*source(cluster.s3), KUSTOMIZATION)
        yield repository
        # Flux's finalizers need Flux.
        cluster.run_kubectl("-n", FLUX, "delete", "kustomization,bucket", "--all")


def job(learning_rate: float) -> Manifest:
    serving = {"enabled": True, "cpu": "100m", "memory": "1Gi"}
    compute = {"cpu": "500m", "memory": "2Gi"}
    training = {"epochs": 2, "batchSize": 16, "learningRate": learning_rate}
    return finetune_job(JOB, NAMESPACE, training=training, compute=compute, serving=serving)


def test_an_upload_trains_a_revert_goes_back_and_a_removal_prunes(bench: Bench, repository: Repository) -> None:
    empty = repository.changed(None)
    repository.push(JOB, job(2e-3))
    first = repository.changed(empty)
    run = check_ready_only_when_served(repository.follow(first))

    repository.push(JOB, job(1e-3))
    second = repository.changed(first)
    seen = repository.follow(second)
    other = check_ready_only_when_served(seen)
    assert other != run
    assert {"Training", "Ready"} <= {look.status["phase"] for look in seen}
    assert {look.status["serving"]["run"] for look in seen} == {run, other}

    repository.push(JOB, job(2e-3))
    assert repository.changed(second) == first
    seen = repository.follow(first)
    assert check_ready_only_when_served(seen) == run
    assert not {look.status["phase"] for look in seen} & {"Training", "Evaluating", "Publishing"}
    assert {one["run"] for one in seen[-1].status["history"]} == {run, other}
    stays_as_it_is(repository, seen[-1].job)

    repository.remove(JOB)
    assert repository.changed(first) == empty
    assert repository.follow(empty)[-1].synced == empty
    until(lambda: repository.look().job, lambda found: not found, 60)
    until(lambda: left(bench), lambda found: not found, 60)


def check_ready_only_when_served(seen: list[Look]) -> str:
    """Return the run that is served in the end: Flux calls the revision ready then, and not before."""
    last = seen[-1]
    run = last.served
    assert run is not None, last.status
    assert run == last.status["run"]["id"] == last.status["artifact"]["run"]
    (ready,) = [one for one in last.conditions if one["type"] == "Ready"]
    assert ready["lastTransitionTime"] >= last.status["lastPhaseTransitionTime"]
    return run


def stays_as_it_is(repository: Repository, job: Manifest) -> None:
    """Nobody writes to the spec while Flux compares it, again and again, with what is uploaded."""

    def reconciled() -> int:
        return int(repository.look().kustomization["status"]["history"][0]["totalReconciliations"])

    began = reconciled()
    until(reconciled, lambda count: count >= began + 2, 60)
    found = repository.look().job["metadata"]
    assert found["generation"] == job["metadata"]["generation"] == 3
    owners = {one["manager"] for one in found["managedFields"] if "f:spec" in one["fieldsV1"]}
    assert owners == {"kustomize-controller"}


def left(bench: Bench) -> list[str]:
    kinds = "finetunejobs,jobs,pods,deployments,services,configmaps"
    said = bench.cluster.run_kubectl(
        "-n", NAMESPACE, "get", kinds, "-l", f"app.kubernetes.io/instance={JOB}", "-o", "name"
    )
    return said.split()
