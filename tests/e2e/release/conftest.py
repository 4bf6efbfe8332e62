"""A cluster of its own for each test that begins with nothing, or that leaves nothing."""

import os
from collections.abc import Iterator

import pytest

import devcluster
from devcluster import Cluster


@pytest.fixture
def empty(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A whole cluster as `devcluster up` leaves it."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names a cluster that may hold more than nothing")
    with devcluster.cluster(f"{request.config.getoption('node_name')}-new") as cluster:
        assert isinstance(cluster, Cluster)
        yield cluster
