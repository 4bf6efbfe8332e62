"""What the chart renders is what Helm and the API server take, field by field."""

import json
from pathlib import Path
from typing import Any

import pytest

from demo.install import CHART
from devcluster import Access, binaries
from devcluster.commands import run
from tests.integration.chart.helm import NAMESPACE, SERVER, template
from tests.integration.chart.samples import EVERYTHING, MONITORING, TEAM

VALUES: dict[str, dict[str, Any]] = {
    "none": {"crds": {"install": True}},
    "everything": EVERYTHING,
    "some namespaces": {
        "watchNamespaces": [NAMESPACE, TEAM],
        "aggregatedRoles": False,
        "metrics": MONITORING,
        "networkPolicy": {"enabled": True, "apiServerPorts": [8443], "prometheus": []},
        "leaderElection": {"leaseName": "lease", "leaseNamespace": TEAM},
        "securityContext": {"identity": "Assigned"},
        "fullnameOverride": "tuning",
    },
    "alone": {"leaderElection": {"enabled": False}, "serviceAccount": {"create": False, "name": "robot"}},
}


@pytest.mark.cluster
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_api_server_takes_every_manifest_as_it_stands(
    server: Access, tmp_path: Path, values: dict[str, Any]
) -> None:
    text = template(tmp_path, **values)
    strictly = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-")
    accepted = server.run_kubectl("apply", *strictly, input_text=text).splitlines()
    assert len(accepted) == sum(line.startswith("kind: ") for line in text.splitlines())
    assert (values.get("crds") is not None) == any(name.startswith("customresourcedefinition") for name in accepted)


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["none", "everything"])
def test_helm_has_nothing_to_complain_about(tmp_path: Path, values: dict[str, Any]) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    run([binaries.build() / "helm", "lint", "--strict", CHART, *SERVER, "--values", file], timeout_seconds=60)
