"""What the operator asks of the API server, with the rights that the chart gives it."""

import json
from typing import Any

import pytest

from demo.install import NAMESPACE, RELEASE
from devcluster import Access
from tests.e2e.lifecycle.conftest import until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"


def requests(cluster: Access) -> list[dict[str, Any]]:
    """Return the operator's requests so far, as the API server wrote them down."""
    assert cluster.audit_log is not None
    lines = [line for line in cluster.audit_log.read_text().splitlines() if OPERATOR in line]
    return [found for found in map(json.loads, lines) if found["user"]["username"] == OPERATOR]


def asked(found: list[dict[str, Any]]) -> list[str]:
    return sorted({f"{request['verb']} {request['objectRef']['resource']}" for request in found})


def test_the_operator_asks_for_no_secret_and_for_nothing_beyond_its_rights(operated: Access) -> None:
    until(lambda: asked(requests(operated)), lambda known: "watch pods" in known, 30)
    found = requests(operated)
    assert not [words for words in asked(found) if words.endswith("secrets")]
    forbidden = [one for one in found if one.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"]
    assert asked(forbidden) == []
