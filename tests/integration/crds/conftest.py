"""The CRD on a real API server, with a namespace for these tests."""

from collections.abc import Iterator

import pytest

from devcluster import Access
from tests.integration.crds.jobs import NAMESPACE, Jobs
from tests.integration.operator.crd import install_crd


@pytest.fixture(scope="session")
def jobs(control_plane: Access) -> Iterator[Jobs]:
    install_crd(control_plane)
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield Jobs(control_plane)
    control_plane.run_kubectl("delete", "namespace", NAMESPACE, "--wait=false")
