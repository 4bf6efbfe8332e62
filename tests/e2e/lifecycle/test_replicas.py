"""Two replicas of the operator: one acts, and the other takes over when it dies."""

import time
from collections.abc import Callable, Iterator

import pytest

from demo.install import NAMESPACE, RELEASE, Images, install_operator
from tests.builders import Manifest
from tests.e2e.lifecycle.conftest import Bench, reason_is, until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

TAKEOVER_SECONDS = 20


@pytest.fixture
def two_replicas(bench: Bench) -> Iterator[None]:
    install_operator(bench.cluster, Images(), "replicas=2")
    yield
    install_operator(bench.cluster)


def leader(bench: Bench) -> str:
    """Return the pod that holds the Lease."""
    holder = ["get", "lease", RELEASE, "-o", "jsonpath={.spec.holderIdentity}"]
    return bench.cluster.run_kubectl("-n", NAMESPACE, *holder)


@pytest.mark.usefixtures("two_replicas")
def test_other_replica_takes_over_when_the_leader_is_killed(bench: Bench, job: Callable[..., Manifest]) -> None:
    first = until(lambda: leader(bench), bool, 30)
    bench.cluster.run_kubectl("-n", NAMESPACE, "delete", "pod", first, "--grace-period=0", "--force")
    killed = time.monotonic()
    name = bench.apply(job(compute={"cpu": "500m", "memory": "2Gi", "nodeSelector": {"no": "node"}}))
    status = bench.wait(name, reason_is("Unschedulable"), TAKEOVER_SECONDS)
    assert time.monotonic() - killed < TAKEOVER_SECONDS
    assert status["phase"] == "Pending"
    assert leader(bench) not in {"", first}
