"""Clusters that tests share: started once for a whole run, taken down at its end."""

import os
from collections.abc import Iterator

import pytest

import devcluster
from demo.install import Images, install_operator
from devcluster import Access


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let parts that run side by side have a cluster each."""
    parser.addoption("--node-name", default="test-node", help="name of the whole cluster, default: %(default)s")
    parser.addoption("--api-name", default="test-api", help="name of the API server alone, default: %(default)s")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that share the whole cluster, so that they can run beside the others."""
    if "node" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.node)


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[Access]:
    """A real API server and its controllers without a node: tests set the states of pods themselves."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names a cluster with nodes; these tests set the states of pods themselves")
    name = f"{request.config.getoption('api_name')}{os.environ.get('PYTEST_XDIST_WORKER', '')}"  # one for each worker
    with devcluster.cluster(name, control_plane_only=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> Iterator[Access]:
    """A whole cluster with one node and one GPU to give away."""
    with devcluster.cluster(request.config.getoption("node_name"), gpus=1) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def operated(node: Access) -> Access:
    """The whole cluster with the operator installed by its chart; jobs may bring code."""
    install_operator(node, Images(), "customCode=true")
    return node
