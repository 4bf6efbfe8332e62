"""Images: what a cluster has, and how others get in."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import Cluster, images
from devcluster.commands import run
from tests.devcluster import machine

pytestmark = pytest.mark.cluster

NAME = "dc-test-images"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "still", "namespace": "default"},
    "spec": {"containers": [{"name": "main", "image": images.PAUSE, "imagePullPolicy": "Never"}]},
}


@pytest.fixture(scope="module")
def plain() -> Iterator[Cluster]:
    cluster = Cluster(NAME)
    try:
        cluster.up(plain_images=True, gpus=0)
        yield cluster
    finally:
        cluster.down()
    assert machine.footprint(NAME) == set()


def test_without_the_checkout_only_real_images_are_there(plain: Cluster) -> None:
    assert plain.image_names() == [images.PAUSE]
    plain.apply(POD)
    plain.run_kubectl("wait", "pod/still", "--for=condition=Ready", "--timeout=20s")
    node = json.loads(plain.run_kubectl("get", "node", NAME, "-o", "json"))
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.")
    assert "nvidia.com/gpu" not in node["status"]["capacity"]


def test_archive_is_imported(plain: Cluster, tmp_path: Path) -> None:
    archive, name = tmp_path / "image.tar", "finetune.dev/other:dev"
    socket = Path("/var/lib/finetune-operator", NAME, "containerd/containerd.sock")
    ctr = ["ctr", "--address", socket, "--namespace", "k8s.io", "images"]
    run([*ctr, "tag", images.PAUSE, name])
    run([*ctr, "export", archive, name])
    run([*ctr, "remove", name])
    assert name not in plain.image_names()
    assert name in plain.import_images(archive)
    assert name in plain.image_names()
