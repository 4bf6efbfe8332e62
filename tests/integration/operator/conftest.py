"""An operator process against a real API server without a node: the tests play the kubelet."""

import re
from collections.abc import Iterator

import pytest

from devcluster import Access
from tests.integration.operator.crd import install_crd
from tests.integration.operator.operator_process import OperatorProcess
from tests.integration.operator.workbench import Workbench
from tests.ports import port_to_come_back_to


@pytest.fixture(scope="session")
def api(control_plane: Access) -> Access:
    """The API server with the CRD."""
    install_crd(control_plane)
    return control_plane


@pytest.fixture
def bench(api: Access, request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A namespace of the test's own, and an operator that serves only that."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:50].strip("-")
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    process = OperatorProcess(api, name, port_to_come_back_to())
    process.start()
    bench = Workbench(api, name, process)
    try:
        yield bench
    finally:
        process.kill()
        bench.close()
