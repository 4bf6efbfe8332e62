"""A whole node: what pods can do on it, and what can be done to it."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from devcluster import Cluster
from tests.devcluster import machine, manifests

pytestmark = pytest.mark.cluster

NAME = "dc-test-node"

SERVER = """
import http.server, pathlib
pathlib.Path("/workspace/index.html").write_text("from the volume")
server = http.server.SimpleHTTPRequestHandler
http.server.ThreadingHTTPServer(("", 8080), lambda *a: server(*a, directory="/workspace")).serve_forever()
"""

CLIENT = """
import os, socket, urllib.request
import boto3
assert os.getuid() == 1000
address = socket.gethostbyname("files.restricted.svc.cluster.local")
page = urllib.request.urlopen("http://files/index.html").read().decode()
boto3.client("s3").put_object(Bucket="finetune", Key="from/pod", Body=page.encode())
stored = boto3.client("s3").get_object(Bucket="finetune", Key="from/host")["Body"].read().decode()
try:
    open("/written", "w")
except OSError as error:
    print(address, page, stored, error.strerror, sep="|")
"""


@pytest.fixture(scope="module")
def before() -> set[str] | None:
    """What was on this machine; None when other clusters change it meanwhile."""
    return machine.everything() if machine.alone() else None


@pytest.fixture(scope="module")
def node(before: set[str] | None) -> Iterator[Cluster]:  # noqa: ARG001 (looks first)
    cluster = Cluster(NAME)
    try:
        cluster.up(gpus=2)
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def workload(node: Cluster) -> Cluster:
    node.apply(manifests.RESTRICTED)
    node.create_s3_secret("restricted")
    server = manifests.pod("server", SERVER)
    server["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 8080}, "periodSeconds": 1}
    node.apply(manifests.CLAIM, manifests.SERVICE, server)
    node.run_kubectl("-n", "restricted", "wait", "pod/server", "--for=condition=Ready", "--timeout=30s")
    return node


def test_restricted_pod_uses_volume_dns_service_and_s3(workload: Cluster) -> None:
    s3 = _s3(workload)
    s3.put_object(Bucket="finetune", Key="from/host", Body=b"from the host")
    workload.apply(manifests.pod("client", CLIENT, gpus=2))
    workload.run_kubectl(
        "-n", "restricted", "wait", "pod/client", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s"
    )
    address, page, stored, refused = workload.run_kubectl("-n", "restricted", "logs", "client").strip().split("|")
    assert address.startswith("198.18.")
    assert (page, stored, refused) == ("from the volume", "from the host", "Read-only file system")
    assert s3.get_object(Bucket="finetune", Key="from/pod")["Body"].read() == b"from the volume"


def test_pod_that_asks_for_more_gpus_than_there_are_waits(workload: Cluster) -> None:
    workload.apply(manifests.pod("greedy", "", gpus=3))

    def conditions() -> str:
        return workload.run_kubectl("-n", "restricted", "get", "pod", "greedy", "-o", "jsonpath={.status.conditions}")

    _eventually(lambda: "Insufficient nvidia.com/gpu" in conditions())


def test_host_reaches_pods_and_services_by_address(workload: Cluster) -> None:
    for kind, field in (("pod/server", "{.status.podIP}:8080"), ("service/files", "{.spec.clusterIP}")):
        address = workload.run_kubectl("-n", "restricted", "get", kind, "-o", f"jsonpath={field}")
        assert urllib.request.urlopen(f"http://{address}/index.html", timeout=5).read() == b"from the volume"


def test_exec_and_port_forward(workload: Cluster) -> None:
    assert workload.run_kubectl("-n", "restricted", "exec", "server", "--", "id", "-u") == "1000\n"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(workload.kubectl), "-n", "restricted", "port-forward", "service/files", f"{port}:80"]
    with subprocess.Popen(command, env=workload.env, stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            assert "Forwarding" in forward.stdout.readline()
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).status == 200
        finally:
            forward.terminate()


def test_plain_runtime_shows_nothing_of_the_host(workload: Cluster) -> None:
    pod = manifests.pod("plain", "", runtimeClassName="plain")
    workload.apply(pod)

    def message() -> str:
        return workload.run_kubectl("-n", "restricted", "get", "pod", "plain", "-o", "jsonpath={.status}")

    _eventually(lambda: 'exec: \\"python\\": executable file not found' in message())


def test_writes_are_counted_by_user(workload: Cluster) -> None:
    events = [json.loads(line) for line in workload.audit_log.read_text().splitlines()]
    mine = [event for event in events if event["user"]["username"] == "devcluster-admin" and event["verb"] == "patch"]
    objects = {(event["objectRef"]["resource"], event["objectRef"]["name"]) for event in mine}
    assert ("persistentvolumeclaims", "workspace") in objects
    assert "requestObject" not in mine[0]


def test_killed_component_is_seen_and_can_be_started_again(workload: Cluster) -> None:
    workload.kill("kube-apiserver")
    assert workload.health(workload.record())["kube-apiserver"] is False
    command = [sys.executable, "-m", "devcluster", "status", "--name", NAME]
    status = subprocess.run(command, capture_output=True, text=True, check=False)
    assert status.returncode == 1
    assert "dead" in next(line for line in status.stdout.splitlines() if line.startswith("kube-apiserver"))
    workload.start("kube-apiserver")
    _eventually(workload.healthy)
    assert "server" in workload.run_kubectl("-n", "restricted", "get", "pods")


def test_deleted_claim_takes_its_data_along(workload: Cluster) -> None:
    volumes = Path("/var/lib/finetune-operator", NAME, "volumes")
    assert [path.read_text() for path in volumes.glob("*/index.html")] == ["from the volume"]
    workload.run_kubectl("-n", "restricted", "delete", "pod", "--all", "--grace-period=1")
    workload.run_kubectl("-n", "restricted", "delete", "pvc", "workspace")
    _eventually(lambda: not list(volumes.iterdir()))


def test_down_leaves_nothing_though_the_runtime_died_and_a_pod_runs(workload: Cluster, before: set[str] | None) -> None:
    workload.apply(manifests.CLAIM, manifests.pod("server", SERVER))
    workload.run_kubectl("-n", "restricted", "wait", "pod/server", "--for=condition=Ready", "--timeout=30s")
    shims = _shim_sockets(workload)
    assert shims
    assert all(shim.exists() for shim in shims)
    workload.kill("kubelet")
    workload.kill("containerd")
    workload.down()
    assert machine.footprint(NAME) == set()
    assert not any(shim.exists() for shim in shims)
    if before is not None and machine.alone():
        assert machine.everything() == before


def _s3(cluster: Cluster):
    s3 = cluster.s3
    assert s3 is not None
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
    )


def _shim_sockets(cluster: Cluster) -> list[Path]:
    state = Path("/var/lib/finetune-operator", cluster.name, "containerd", "state")
    files = state.glob("io.containerd.runtime.v2.task/*/*/address")
    return [Path(file.read_text().removeprefix("unix://")) for file in files]


def _eventually(true: Callable[[], bool], timeout_seconds: float = 20) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
