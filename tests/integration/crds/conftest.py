"""The CRD on a real API server, with a namespace for these tests."""

from collections.abc import Iterator

import pytest

from devcluster import Access
from tests.integration.crds.jobs import CRD, NAMESPACE, Jobs


@pytest.fixture(scope="session")
def jobs(control_plane: Access) -> Iterator[Jobs]:
    control_plane.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    control_plane.run_kubectl("wait", "--for=condition=Established", "crd/finetunejobs.finetune.dev", "--timeout=20s")
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield Jobs(control_plane)
    control_plane.run_kubectl("delete", "namespace", NAMESPACE, "--wait=false")
