"""`helm test` on a real node: the pod that tells whether an installation works."""

import pytest

from demo.install import NAMESPACE, RELEASE
from devcluster import Access

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]


def test_helm_test_creates_a_job_as_a_dry_run_and_reads_the_metrics(operated: Access) -> None:
    said = operated.run_helm("test", RELEASE, "--namespace", NAMESPACE, "--logs", "--timeout", "90s")
    assert "the API server takes a FineTuneJob, and fills in" in said
    assert "the operator tells" in said
    rights = operated.run_kubectl("-n", NAMESPACE, "get", "serviceaccounts,roles,rolebindings", "-o", "name")
    assert f"{RELEASE}-test" not in rights
    operated.run_kubectl("-n", NAMESPACE, "delete", "pod", f"{RELEASE}-test")
