"""A real API server with the CRD, those of the Prometheus operator, and the namespaces of these tests."""

from pathlib import Path

import pytest

from devcluster import Access
from tests.integration.chart.helm import NAMESPACE
from tests.integration.chart.samples import TEAM
from tests.integration.operator.crd import install_crd

PROMETHEUS_OPERATOR = Path(__file__).parent / "prometheus-operator-crds.yaml"

TESTERS = ("release-test", "tuning-test")
"""ServiceAccounts of the pods of `helm test`, by the names that the tests give to releases."""


@pytest.fixture(scope="session")
def server(control_plane: Access) -> Access:
    install_crd(control_plane)
    control_plane.run_kubectl("apply", "--server-side", "-f", str(PROMETHEUS_OPERATOR))
    control_plane.run_kubectl("wait", "--for=condition=Established", "-f", str(PROMETHEUS_OPERATOR))
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    control_plane.apply(
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted}}
            for name in (NAMESPACE, TEAM)
        )
    )
    # A pod is admitted, even as a dry run, only if its ServiceAccount is there.
    control_plane.apply(
        *(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
            for name in TESTERS
        )
    )
    return control_plane
