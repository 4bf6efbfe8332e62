"""Install, upgrade, rollback and uninstall of the chart while one job trains, one is served and one waits."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.ask import post_json
from demo.inputs import s3_client
from demo.install import CHART, NAMESPACE, RELEASE
from devcluster import Cluster
from tests.builders import finetune_job
from tests.e2e.lifecycle.conftest import Bench, Status, fill_bucket, phase_is, reason_is, until
from tests.e2e.release.readme import commands, run

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.e2e,
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.timeout(1200, func_only=True),
]

PREVIOUS, PRESENT = "0.0.9", "0.1.0"
NEW_FIELD = "tracking"
"""A block of the spec that the previous CRD does not know."""
LITTLE = {"cpu": "100m", "memory": "1Gi"}
NOWHERE = {**LITTLE, "nodeSelector": {"no": "node"}}
QUICK = {"epochs": 2, "batchSize": 16, "learningRate": 2e-3}
LONG = {"maxSteps": 6000, "batchSize": 8, "checkpointIntervalSteps": 2000, "loggingIntervalSteps": 50}
PASSING = ("events", "events.events.k8s.io")
"""What comes and goes by itself."""
STAYS = {
    "CustomResourceDefinition  finetunejobs.finetune.dev",
    "APIService  v1alpha1.finetune.dev",
    "Lease default finetunejobs.finetune.dev",
    f"Namespace  {NAMESPACE}",
    f"ServiceAccount {NAMESPACE} default",
    f"ConfigMap {NAMESPACE} kube-root-ca.crt",
    f"Lease {NAMESPACE} {RELEASE}",
}
"""As the chart's README says under Uninstalling, with what Kubernetes adds to a CRD and to a namespace."""


def packaged(cluster: Cluster, folder: Path, version: str, *, lacks: str = "") -> Path:
    """Package the chart as the release of a version, whose images carry that tag; its CRD may lack a block of the spec.

    There is no earlier release, and a clone may have no history to take one from. What an upgrade changes is in the
    package: version, labels, both images, the CRD. What an earlier operator did otherwise is not.
    """
    chart = shutil.copytree(CHART, folder / version)
    file = chart / "files/finetunejobs.yaml"
    crd = yaml.safe_load(file.read_text())
    if lacks:
        del _spec_of(crd)[lacks]
    file.write_text(yaml.safe_dump(crd))
    cluster.run_helm("package", str(chart), "--version", version, "--app-version", version, "-d", str(folder))
    for part in ("operator", "trainer"):
        cluster.tag_image(f"finetune.dev/{part}:dev", f"finetune.dev/{part}:{version}")
    return folder / f"finetune-operator-{version}.tgz"


def _spec_of(crd: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return fields


def everything(cluster: Cluster) -> set[str]:
    """Return kind, namespace and name of all objects of the cluster."""
    kinds = cluster.run_kubectl("api-resources", "--verbs=list", "-o", "name").split()
    columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
    wanted = ",".join(kind for kind in kinds if kind not in PASSING)
    found = cluster.run_kubectl("get", wanted, "-A", "--no-headers", "-o", columns)
    return {" ".join(line.split()).replace("<none>", "") for line in found.splitlines()}


def pods(bench: Bench) -> dict[str, int]:
    """Return uid and restarts of every pod of a job."""
    return {
        pod["metadata"]["uid"]: sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
        for pod in bench.objects("pods")
    }


def launched_image(bench: Bench, name: str) -> str:
    """Return the image of a job's training pod."""
    (job,) = until(lambda: bench.objects("jobs", name), len, 30)
    image: str = job["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


class Operator:
    """The release, and what of it runs."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def helm(self, *arguments: str) -> None:
        self._cluster.run_helm(*arguments, "--namespace", NAMESPACE, "--wait", "--timeout", "110s")

    def is_of(self, version: str) -> bool:
        """Whether image and CRD are those of a version, once one pod is left."""
        return self._image() == f"finetune.dev/operator:{version}" and self._knows(NEW_FIELD) == (version == PRESENT)

    def _image(self) -> str:
        def images() -> list[str]:
            path = "jsonpath={.items[*].spec.containers[0].image}"
            selector = "app.kubernetes.io/name=finetune-operator"
            return self._cluster.run_kubectl("-n", NAMESPACE, "get", "pods", "-l", selector, "-o", path).split()

        (image,) = until(images, lambda found: len(found) == 1, 60)
        return image

    def _knows(self, field: str) -> bool:
        crd = json.loads(self._cluster.run_kubectl("get", "crd", "finetunejobs.finetune.dev", "-o", "json"))
        return field in _spec_of(crd)


class Client:
    """Asks a served model three times a second."""

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model
        self._stop = threading.Event()
        self.answered = 0
        self.failures: list[str] = []

    def run(self) -> None:
        body = {"model": self._model, "input": ["good fine great film"]}
        while not self._stop.wait(0.3):
            try:
                post_json(f"{self._url}/v1/classify", body, attempts=1)
                self.answered += 1
            except Exception as error:  # whatever a client would see
                self.failures.append(f"{time.strftime('%X')} {error!r}")

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def asking(bench: Bench, status: Status, name: str) -> Iterator[Client]:
    """Ask while the block runs, at the Service."""
    service = status["serving"]["url"].removeprefix("http://").split(".")[0]
    address = bench.cluster.run_kubectl("get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
    client = Client(f"http://{address}", name)
    thread = threading.Thread(target=client.run)
    thread.start()
    try:
        yield client
    finally:
        client.stop()
        thread.join()


@pytest.fixture
def bench(empty: Cluster, tmp_path: Path) -> Bench:
    fill_bucket(empty, tmp_path / "inputs")
    return Bench(empty)


def launch(bench: Bench) -> Status:
    """Serve a model, let another job wait for a node, and a third train; return the status of the first."""
    bench.apply(finetune_job("served", compute=LITTLE, training=QUICK, serving={"enabled": True, **LITTLE}))
    served = bench.wait("served", phase_is("Ready", "Failed"), 180)
    assert served["phase"] == "Ready", served
    bench.apply(finetune_job("waiting", compute=NOWHERE))
    bench.wait("waiting", reason_is("Unschedulable"))
    bench.apply(finetune_job("training", compute=LITTLE, training=LONG))
    bench.wait("training", lambda status: status.get("progress", {}).get("step", 0) > 0, 180)
    return served


def runs(bench: Bench) -> dict[str, tuple[str, int, str]]:
    """Return for each job what changes when it is launched anew."""
    found = {name: bench.status(name)["run"] for name in ("served", "waiting", "training")}
    return {name: (run["id"], run.get("attempt", 0), run["startedAt"]) for name, run in found.items()}


def is_published(cluster: Cluster, status: Status) -> bool:
    """Whether the model's manifest lies where the status says."""
    assert cluster.s3
    bucket, _, folder = status["artifact"]["uri"].removeprefix("s3://").partition("/")
    found = s3_client(cluster.s3).list_objects_v2(Bucket=bucket, Prefix=f"{folder}/finetune-manifest.json")
    return bool(found["KeyCount"])


def test_releases_come_and_go_and_no_job_notices(empty: Cluster, bench: Bench, tmp_path: Path) -> None:
    old = packaged(empty, tmp_path, PREVIOUS, lacks=NEW_FIELD)
    new = packaged(empty, tmp_path, PRESENT)
    before = everything(empty)
    operator = Operator(empty)
    operator.helm("install", RELEASE, str(old), "--create-namespace")
    assert operator.is_of(PREVIOUS)
    served = launch(bench)
    launched, untouched = runs(bench), pods(bench)
    assert len(untouched) == 4, "with the pod that has trained what is served"

    with asking(bench, served, "served") as client:
        operator.helm("upgrade", RELEASE, str(new), "--reset-then-reuse-values")
        assert operator.is_of(PRESENT)
        bench.apply(finetune_job("later", compute=NOWHERE))
        assert launched_image(bench, "later") == f"finetune.dev/trainer:{PRESENT}"
        bench.delete("later")
        assert (bench.status("training")["phase"], pods(bench)) == ("Training", untouched)

        operator.helm("rollback", RELEASE)
        assert operator.is_of(PREVIOUS)
        assert (bench.status("training")["phase"], pods(bench)) == ("Training", untouched)
        trained = bench.wait("training", phase_is("Succeeded", "Failed"), 400)
        assert trained["phase"] == "Succeeded", trained

        operator.helm("uninstall", RELEASE)
        assert (runs(bench), pods(bench)) == (launched, untouched)
    assert client.failures == []
    assert client.answered > 30
    assert {launched_image(bench, name) for name in launched} == {f"finetune.dev/trainer:{PREVIOUS}"}

    delete_jobs, *delete_all = commands("finetune-operator", "Uninstalling", "kubectl ")
    run(empty, delete_jobs)
    until(lambda: sorted(everything(empty) - before), lambda left: set(left) <= STAYS, 60)
    assert everything(empty) - before == STAYS
    for command in delete_all:
        run(empty, command)
    until(lambda: sorted(everything(empty) ^ before), lambda left: not left, 60)
    assert is_published(empty, served) and is_published(empty, trained)
