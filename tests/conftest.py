"""Clusters that tests share: started once for a whole run, taken down at its end."""

import os
from collections.abc import Iterator

import pytest

import devcluster
from demo.install import install_operator
from devcluster import Access

GROUP_OF_FOLDER = ("devcluster", "e2e/serving", "e2e/trainer")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep tests that share a cluster, or models that take long to make, in one of the parallel processes."""
    fixtures = getattr(item, "fixturenames", ())
    group = next((fixture for fixture in ("node", "control_plane") if fixture in fixtures), None)
    group = group or next((folder for folder in GROUP_OF_FOLDER if f"tests/{folder}/" in item.path.as_posix()), None)
    if group:
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Access]:
    """A real API server and its controllers without a node: tests set the states of pods themselves."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names a cluster with nodes; these tests set the states of pods themselves")
    with devcluster.cluster("test-api", control_plane_only=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def node() -> Iterator[Access]:
    """A whole cluster with one node and one GPU to give away."""
    with devcluster.cluster("test-node", gpus=1) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def operated(node: Access) -> Access:
    """The whole cluster with the operator installed by its chart."""
    install_operator(node)
    return node
