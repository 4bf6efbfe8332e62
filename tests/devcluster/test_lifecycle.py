"""Starting, crashing and taking down, without a node where none is needed, because that is quicker."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devcluster import Cluster, CommandFailed, DevclusterError, ExternalCluster, cluster
from devcluster.layout import CHECKOUT, Layout
from tests.devcluster import machine

pytestmark = pytest.mark.cluster

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "train", "namespace": "default"},
    "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}},
    },
}


@pytest.fixture(autouse=True)
def no_given_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_without_a_node_tests_say_what_becomes_of_pods() -> None:
    with cluster("dc-test-plane", control_plane_only=True) as one:
        assert one.s3 is None
        one.apply(JOB)
        one.run_kubectl("wait", "job/train", "--for=jsonpath={.status.active}=1", "--timeout=20s")
        pod = one.run_kubectl("get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
        done = json.dumps({"status": {"phase": "Succeeded"}})
        one.run_kubectl("patch", "pod", pod, "--subresource=status", "--patch", done)
        one.run_kubectl("wait", "job/train", "--for=condition=Complete", "--timeout=20s")
    assert machine.footprint("dc-test-plane") == set()


def test_two_clusters_side_by_side() -> None:
    names = ["dc-test-left", "dc-test-right"]
    clusters = [Cluster(name) for name in names]
    try:
        with ThreadPoolExecutor(2) as both:
            list(both.map(lambda one: one.up(control_plane_only=True), clusters))
        for one in clusters:
            one.run_kubectl("create", "configmap", one.name)
        for one, other in zip(clusters, reversed(clusters), strict=True):
            assert one.node_address != other.node_address
            with pytest.raises(CommandFailed, match="not found"):
                one.run_kubectl("get", "configmap", other.name)
        clusters[0].down()
        assert machine.footprint(names[0]) == set()
        assert clusters[1].healthy()
    finally:
        for one in clusters:
            one.down()
    assert machine.footprint(names[1]) == set()


@pytest.mark.parametrize("moment", ["cluster.json", "pki/ca.crt", "logs/kube-apiserver.log", "logs/kubelet.log"])
def test_crash_while_starting_leaves_nothing_after_down(moment: str) -> None:
    name = "dc-test-crash"
    starting = subprocess.Popen([sys.executable, "-m", "devcluster", "up", "--name", name], stderr=subprocess.DEVNULL)
    _until((Layout(name).root / moment).exists)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait()
    assert machine.footprint(name)
    Cluster(name).down()
    assert machine.footprint(name) == set()


def test_broken_cluster_is_started_anew_and_a_healthy_one_left_alone() -> None:
    said: list[str] = []
    one = Cluster("dc-test-again", said.append)
    try:
        one.up(control_plane_only=True)
        first = one.record().processes["etcd"]
        assert one.up(control_plane_only=True) == 0
        assert one.record().processes["etcd"] == first
        with pytest.raises(DevclusterError, match="take it down first"):
            one.up(control_plane_only=True, scheduler=False)
        one.kill("etcd")
        assert one.up(control_plane_only=True) > 0
        assert one.record().processes["etcd"] != first
        assert any("broken" in line for line in said)
    finally:
        one.down()


def test_cluster_of_another_checkout_is_refused(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "devcluster", tmp_path / "devcluster")
    name = "dc-test-owner"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "devcluster")}
    with cluster(name, control_plane_only=True):
        for verb in ("up", "down"):
            other = subprocess.run(
                [sys.executable, "-P", "-m", "devcluster", verb, "--name", name],
                env=environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert other.returncode == 1
            assert f"belongs to the checkout {CHECKOUT}" in other.stderr
            assert "Traceback" not in other.stderr


def test_component_that_cannot_start_is_named_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devcluster.control_plane._AUDIT_POLICY", {"kind": "Nonsense"})
    with pytest.raises(DevclusterError, match=r"(?s)kube-apiserver ended.*kube-apiserver\.log:.*audit policy"):
        Cluster("dc-test-fail").up(control_plane_only=True)
    assert machine.footprint("dc-test-fail") == set()


def test_given_cluster_is_used_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "kubeconfig"
    given.write_text("{}")
    monkeypatch.setenv("KUBECONFIG", str(given))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.example")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with cluster("dc-test-given") as one:
        assert isinstance(one, ExternalCluster)
        assert one.kubeconfig == given
        assert one.s3 is not None
        assert one.s3.endpoint == "http://s3.example"
    assert machine.footprint("dc-test-given") == set()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(DevclusterError, match="not one file"), cluster("dc-test-given"):
        pass


def _until(true: Callable[[], bool], timeout_seconds: float = 30) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
